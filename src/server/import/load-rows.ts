/**
 * The many rows of an import: trials, allocations, decisions, the search's log, reports, checkpoints, output, metrics. Beside the decision loop
 * and some at a time, because they may be millions; nobody sees the experiment before the last of them is written.
 * Everything here was checked before (`check-bundle.ts`).
 */
import type pg from "pg";
import type { Point } from "../../sdk/points.ts";
import { insertPoints, insertRows } from "../../store/import-store.ts";
import { insertLines } from "../../store/log-store.ts";
import type { Database } from "../../store/schema.ts";
import { storable, storableJson } from "../../store/storable.ts";
import type { BundleSource } from "./bundle-source.ts";
import type { CheckedBundle } from "./check-bundle.ts";
import { allocationRows, type Numbered, trialRows } from "./import-rows.ts";

const ROWS_AT_ONCE = 500;
const POINTS_AT_ONCE = 5000;

export interface Places extends Numbered {
  /** Of metrics. */
  readonly names: ReadonlyMap<string, number>;
  /** Checkpoints whose files came along. */
  readonly saved: ReadonlySet<string>;
  readonly at: Date;
}

/** Ids here of what the bundle speaks of. */
interface Ids {
  /** By number. */
  readonly trials: ReadonlyMap<number, number>;
  /** By `trial.run`. */
  readonly allocations: ReadonlyMap<string, number>;
}

export async function loadRows(
  pool: pg.Pool,
  { source, bundle }: { readonly source: BundleSource; readonly bundle: CheckedBundle },
  places: Places,
): Promise<void> {
  const { firstTrial, firstAllocation } = places;
  const to = {
    ...places,
    trials: new Map(bundle.trials.map(({ number }, i) => [number, firstTrial + i])),
    allocations: new Map(
      bundle.runs.map(({ trial, run }, i) => [`${trial}.${run}`, firstAllocation + i]),
    ),
  };
  const experiment = to.experiment.id;
  const trial = (number: number): number => placed(to.trials, number);
  await insertAll(pool, "trials", trialRows(bundle, places), (row) => row);
  await insertAll(pool, "allocations", allocationRows(bundle, places), (row) => row);
  await insertAll(pool, "decisions", source.lines("decision"), (row) => ({
    ...{ experiment_id: experiment, trial_number: row.trial, seq: row.seq, at: row.at },
    ...{ what: row.what, target: row.target, code: storable(row.code), text: storable(row.text) },
    standing: storableJson(row.standing),
  }));
  await insertAll(pool, "search_events", source.lines("search"), (row) => ({
    ...{ experiment_id: experiment, seq: row.seq, at_ms: row.at_ms },
    ...{ event: storableJson(row.event), actions: storableJson(row.actions) },
  }));
  await insertAll(pool, "reports", source.lines("report"), (row) => ({
    ...{ trial_id: trial(row.trial), run: row.run, seq: row.seq, step: row.step, at: row.at },
  }));
  await insertAll(pool, "checkpoints", source.lines("checkpoint"), (row) => {
    const gone = to.saved.has(row.id)
      ? { at: null, why: null }
      : (row.deleted ?? { at: to.at.toISOString(), why: "it was not in the imported bundle" });
    return {
      ...{ trial_id: trial(row.trial), run: row.run, step: row.step, tree: row.id },
      ...{ files: row.files, bytes: row.bytes, metadata: storableJson(row.metadata) },
      ...{ created_at: row.created_at, deleted_at: gone.at },
      deleted_why: gone.why === null ? null : storable(gone.why),
    };
  });
  await insertAll(pool, "environments", source.lines("environment"), (row) => ({
    ...{ hash: row.hash, document: storableJson(row.document), at: row.at },
  }));
  await insertAll(pool, "records", source.lines("record"), (row) => ({
    ...{ experiment_id: experiment, trial_number: row.trial, run: row.run, source: row.source },
    ...{ environment: row.environment, document: storableJson(row.document), at: row.at },
  }));
  await loadOutput(pool, source, to);
  await loadPoints(pool, source, to);
}

const placed = <K>(places: ReadonlyMap<K, number>, key: K): number => {
  const id = places.get(key);
  if (id === undefined) throw new Error(`${String(key)} was checked and has no place`);
  return id;
};

async function insertAll<T>(
  pool: pg.Pool,
  table: keyof Database,
  rows: Iterable<T> | AsyncIterable<T>,
  columns: (row: T) => Readonly<Record<string, unknown>>,
): Promise<void> {
  let batch: Readonly<Record<string, unknown>>[] = [];
  for await (const row of rows) {
    batch.push(columns(row));
    if (batch.length < ROWS_AT_ONCE) continue;
    await insertRows(pool, table, batch);
    batch = [];
  }
  await insertRows(pool, table, batch);
}

async function loadOutput(pool: pg.Pool, source: BundleSource, to: Places & Ids): Promise<void> {
  let position = 0;
  let batch: Parameters<typeof insertLines>[1][number][] = [];
  for await (const line of source.lines("log")) {
    position += 1;
    batch.push({
      allocation: placed(to.allocations, `${line.trial}.${line.run}`),
      ...{ experiment: to.experiment.id, position, seq: line.line, atMs: Date.parse(line.at) },
      ...{ rank: line.rank, stream: line.stream, complete: line.complete },
      bytes: line.bytes === undefined ? Buffer.from(line.text) : Buffer.from(line.bytes, "base64"),
    });
    if (batch.length < ROWS_AT_ONCE) continue;
    await insertLines(pool, batch);
    batch = [];
  }
  await insertLines(pool, batch);
}

async function loadPoints(pool: pg.Pool, source: BundleSource, to: Places & Ids): Promise<void> {
  let batch: Point[] = [];
  const flush = async (): Promise<void> => {
    // A report has as many points as it has names.
    const reports = new Map(
      batch.map(({ trial, run, seq, step, time }) => [
        `${trial} ${run} ${seq}`,
        { trial_id: placed(to.trials, trial), run, seq, step, at: time },
      ]),
    );
    await insertRows(pool, "reports", [...reports.values()]);
    await insertPoints(
      pool,
      batch.map(({ trial, name, step, run, seq, value }) => ({
        ...{ trial: placed(to.trials, trial), name: placed(to.names, name) },
        ...{ step, run, seq, value },
      })),
    );
    batch = [];
  };
  for await (const points of source.points())
    for (const point of points) {
      batch.push(point);
      if (batch.length >= POINTS_AT_ONCE) await flush();
    }
  if (batch.length > 0) await flush();
}
