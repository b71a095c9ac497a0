/** A bundle's lines of JSON, made while they are sent; the last says how many there were. */
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
  const numbers: number[] = [];
  for await (const trial of trialsForBundle(pool, subject)) {
    numbers.push(trial.number);
    yield { part: "trial", row: trial };
  }
  for await (const run of runsForBundle(pool, subject)) yield { part: "run", row: run };
  for await (const decision of decisionsForBundle(pool, subject))
    yield { part: "decision", row: decision };
  for await (const event of searchForBundle(pool, subject)) yield { part: "search", row: event };
  for (const number of numbers) {
    const trial = await readTrial(pool, subject.experiment, number);
    if (trial)
      for await (const report of emptyReportsForBundle(pool, trial))
        yield { part: "report", row: report };
  }
  for await (const checkpoint of checkpointsForBundle(pool, subject))
    yield { part: "checkpoint", row: checkpoint };
  for await (const environment of environmentsForBundle(pool, subject))
    yield { part: "environment", row: environment };
  for await (const record of recordsForBundle(pool, subject)) yield { part: "record", row: record };
  for await (const verdict of verdictsForBundle(pool, subject))
    yield { part: "verdict", row: verdict };
  for await (const line of logLines(pool, subject)) yield { part: "log", row: line };
  // Last, so that what happened meanwhile is in it.
  for await (const event of auditForBundle(pool, subject)) yield { part: "audit", row: event };
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
