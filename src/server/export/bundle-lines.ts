/**
 * A bundle's lines of JSON, made while they are sent; the last says how many there were.
 *
 * An experiment may go on meanwhile. What is of a trial or a run that began after these were listed is left out, so that the
 * parts speak of each other's runs and of no others. One snapshot of the database for all of them was refused: it, and a
 * connection, would be held for as long as somebody takes to read, and rows of a run are only ever added.
 */
import type pg from "pg";
import type { BundleLine, BundleLogLine } from "../../protocol/bundle.ts";
import { readAncestry } from "../../store/ancestry-reads.ts";
import {
  auditForBundle,
  type BundleSubject,
  checkpointsForBundle,
  decisionsForBundle,
  emptyReportsForBundle,
  environmentsForBundle,
  experimentForBundle,
  recordsForBundle,
  runsForBundle,
  searchForBundle,
  trialsForBundle,
  verdictsForBundle,
} from "../../store/bundle-reads.ts";
import { type ExperimentSummaryRow, readTrial } from "../../store/experiment-reads.ts";
import { readImport } from "../../store/import-store.ts";
import { type LogPlace, type LogRow, readLines } from "../../store/log-store.ts";
import { ancestryView, logView } from "../views.ts";

/** Sent together: a chunk of HTTP for each line would cost more than the line. */
const SENT_CHARS = 64 * 1024;
const LINES_PAGE = 2000;
const LINES_BYTES = 4 * 1024 * 1024;

export async function* bundleText(
  pool: pg.Pool,
  subject: BundleSubject,
  about: { readonly row: ExperimentSummaryRow; readonly version: string; readonly by: string },
): AsyncGenerator<string> {
  let text = "";
  let lines = 0;
  for await (const line of bundleLines(pool, subject, about)) {
    lines += 1;
    text += `${JSON.stringify(line)}\n`;
    if (text.length < SENT_CHARS) continue;
    yield text;
    text = "";
  }
  const end: BundleLine = { part: "end", row: { lines } };
  yield `${text}${JSON.stringify(end)}\n`;
}

async function* bundleLines(
  pool: pg.Pool,
  subject: BundleSubject,
  { row, version, by }: { row: ExperimentSummaryRow; version: string; by: string },
): AsyncGenerator<BundleLine> {
  const brought = await readImport(pool, subject.experiment);
  yield { part: "origin", row: { version, by, ...(brought && { imported: brought.record }) } };
  const ancestry = await readAncestry(pool, subject.experiment);
  yield {
    part: "experiment",
    row: experimentForBundle(row, ancestry ? ancestryView(ancestry) : null),
  };
  const trials = new Set<number>();
  for await (const trial of trialsForBundle(pool, subject)) {
    trials.add(trial.number);
    yield { part: "trial", row: trial };
  }
  const ofTrial = ({ trial }: { trial: number }) => trials.has(trial);
  const runs = new Set<string>();
  for await (const row of only(runsForBundle(pool, subject), ofTrial)) {
    runs.add(`${row.trial}.${row.run}`);
    yield { part: "run", row };
  }
  const ofRun = ({ trial, run }: { trial: number; run: number }) => runs.has(`${trial}.${run}`);
  for await (const row of only(decisionsForBundle(pool, subject), ofTrial))
    yield { part: "decision", row };
  for await (const row of searchForBundle(pool, subject)) yield { part: "search", row };
  for (const number of trials) {
    const trial = await readTrial(pool, subject.experiment, number);
    if (trial)
      for await (const row of only(emptyReportsForBundle(pool, trial), ofRun))
        yield { part: "report", row };
  }
  for await (const row of only(checkpointsForBundle(pool, subject), ofRun))
    yield { part: "checkpoint", row };
  for await (const row of only(recordsForBundle(pool, subject), ofRun))
    yield { part: "record", row };
  // After the records, so that each finds its own.
  for await (const row of environmentsForBundle(pool, subject)) yield { part: "environment", row };
  for await (const row of only(verdictsForBundle(pool, subject), ofTrial))
    yield { part: "verdict", row };
  for await (const row of only(logLines(pool, subject), ofRun)) yield { part: "log", row };
  // Last, so that what happened meanwhile is in it.
  for await (const row of auditForBundle(pool, subject)) yield { part: "audit", row };
}

async function* only<R>(rows: AsyncIterable<R>, belongs: (row: R) => boolean): AsyncGenerator<R> {
  for await (const row of rows) if (belongs(row)) yield row;
}

/** Of a trial in the order of its runs, of an experiment in the order in which lines came. */
async function* logLines(pool: pg.Pool, subject: BundleSubject): AsyncGenerator<BundleLogLine> {
  const placeOf = (row: LogRow): LogPlace =>
    subject.trial === undefined
      ? { position: row.position }
      : { allocation: row.allocation_id, seq: row.seq };
  let after: LogPlace | undefined;
  for (;;) {
    const page = { fromEnd: false, limit: LINES_PAGE, bytesMax: LINES_BYTES };
    const rows = await readLines(pool, { ...subject, after, ...page });
    for (const row of rows) {
      const { cursor: _cursor, trial: _trial, ...line } = logView(subject.experiment, row);
      yield { trial: row.trial_number, ...line };
    }
    const last = rows.at(-1);
    if (last === undefined) return;
    after = placeOf(last);
  }
}
