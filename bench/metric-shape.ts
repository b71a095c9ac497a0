/**
 * In which shape are metrics kept? What a point costs to store and to read, for the table that is used and for
 * the alternative, at growing numbers of points: what matters is that neither cost grows with the table.
 *
 *   rows    one row a point, its key covers the value, so a series is a walk over the index (what is used)
 *   chunks  one row for the points of one name that arrive together, as arrays
 *
 * Points arrive in two ways: in batches, as from a runner that was cut off for a while or trials that report
 * quickly (a hundred reports of ten values from each of ten trials), and singly, as from trials that report
 * now and then (one report of ten values from each of thirty-two). Reading thins one name of a hundred trials
 * to a thousand buckets each. Run alone: `node bench/metric-shape.ts [--points 1e7] [--json FILE]`; the figures
 * are in docs/storage.md.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type pg from "pg";
import { type OpenDatabase, openDatabase } from "../src/store/database.ts";
import { silentLog } from "../src/store/log.ts";
import { readBuckets } from "../src/store/metric-reads.ts";
import { migrate } from "../src/store/migrate.ts";
import { startPostgres } from "../src/store/postgres/postgres.ts";
import type { Database } from "../src/store/schema.ts";
import { CHAIN_START, type MetricPoint, WriteBatch } from "../src/store/write-batch.ts";
import { quantileOf } from "./figure.ts";
import { number } from "./table.ts";

const TRIALS = 100;
const NAMES = 10;
const BUCKETS = 1000;
const BATCH = { trials: 10, reports: 100 };
const SINGLE = { trials: 32, reports: 1 };
const SINGLE_ROUNDS = 100;

interface Shape {
  readonly name: string;
  readonly table: string;
  /** In one transaction, durable when it resolves. */
  insert(points: readonly MetricPoint[]): Promise<void>;
  /** One series, thinned. @returns how many points it stands for */
  read(trial: number): Promise<number>;
}

interface Row {
  readonly shape: string;
  readonly points: number;
  readonly batchedUs: number;
  readonly singleUs: number;
  /** To thin one series, which is a thousandth of the points. */
  readonly readMs: number;
  readonly bytes: number;
}

function rowShape({ pool }: OpenDatabase<Database>): Shape {
  return {
    name: "rows",
    table: "metrics",
    async insert(points) {
      const batch = new WriteBatch();
      for (const point of points) batch.metric(point);
      await inTransaction(pool, async (client) => void (await batch.flush(client, CHAIN_START)));
    },
    async read(trial) {
      const filter = { trialId: trial, names: ["metric_1"], superseded: false };
      const buckets = await readBuckets(pool, filter, BUCKETS);
      return buckets.reduce((sum, bucket) => sum + bucket.points, 0);
    },
  };
}

const CHUNKS = `create table metric_chunks (
  trial_id integer not null, name_id integer not null, run integer not null, first_seq bigint not null,
  steps bigint[] not null, seqs bigint[] not null, points float8[] not null,
  primary key (trial_id, name_id, run, first_seq))`;

/** The same thinning as for rows: of repeated steps the last report holds, extremes and mean over all. */
const READ_CHUNKS = `
  with flat as (select u.step, u.seq, u.value from metric_chunks c,
      unnest(c.steps, c.seqs, c.points) as u(step, seq, value)
    where c.trial_id = $1 and c.name_id = 1),
  kept as (select distinct on (step) step, value from flat order by step desc, seq desc),
  span as (select min(step) as low, greatest(1, ceil((max(step) - min(step) + 1)::float8 / $2))::bigint as width from kept)
  select max(k.step) as step, min(k.value) as min, max(k.value) as max, sum(k.value) / count(*) as mean,
    count(*)::int as points
  from kept k, span s group by (k.step - s.low) / s.width`;

async function chunkShape({ pool }: OpenDatabase<Database>): Promise<Shape> {
  await pool.query(CHUNKS);
  const literal = (values: readonly number[]): string => `{${values.join(",")}}`;
  return {
    name: "chunks",
    table: "metric_chunks",
    async insert(points) {
      const groups = [...Map.groupBy(points, ({ trial, name }) => `${trial} ${name}`).values()];
      const first = (key: "trial" | "name" | "run" | "seq"): number[] =>
        groups.map(([point]) => (point as MetricPoint)[key]);
      const all = (key: "step" | "seq" | "value"): string[] =>
        groups.map((group) => literal(group.map((point) => point[key])));
      await inTransaction(pool, async (client) => {
        await client.query({
          name: "insert_chunks",
          text: `insert into metric_chunks
            select t, n, r, f, s::bigint[], q::bigint[], v::float8[]
            from unnest($1::int[], $2::int[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::text[])
              as u(t, n, r, f, s, q, v)
            on conflict do nothing`,
          values: [
            ...[first("trial"), first("name"), first("run"), first("seq")],
            ...[all("step"), all("seq"), all("value")],
          ],
        });
      });
    },
    async read(trial) {
      const { rows } = await pool.query<{ points: number }>({
        name: "read_chunks",
        text: READ_CHUNKS,
        values: [trial, BUCKETS],
      });
      return rows.reduce((sum, row) => sum + row.points, 0);
    },
  };
}

async function inTransaction(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<void>,
): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await work(client);
    await client.query("commit");
  } finally {
    client.release();
  }
}

/** What the trials have reported so far, and what they report next. */
class Reports {
  readonly #steps = new Int32Array(TRIALS + 1);
  #turn = 0;

  next({ trials, reports }: { readonly trials: number; readonly reports: number }): MetricPoint[] {
    const points: MetricPoint[] = [];
    for (let i = 0; i < trials; i++) {
      const trial = 1 + (this.#turn++ % TRIALS);
      for (let report = 0; report < reports; report++) {
        const step = (this.#steps[trial] as number) + 1;
        this.#steps[trial] = step;
        for (let name = 1; name <= NAMES; name++) {
          const value = 1 / step + Math.sin(step * name) / 100;
          points.push({ trial, name, step, run: 1, seq: step, value });
        }
      }
    }
    return points;
  }
}

async function grow(pool: pg.Pool, shape: Shape, sizes: readonly number[]): Promise<Row[]> {
  const reports = new Reports();
  const rows: Row[] = [];
  let points = 0;
  for (const size of sizes) {
    const from = points;
    const startMs = performance.now();
    while (points < size) {
      const batch = reports.next(BATCH);
      await shape.insert(batch);
      points += batch.length;
    }
    const batchedUs = ((performance.now() - startMs) * 1000) / (points - from);
    const singleMs: number[] = [];
    for (let round = 0; round < SINGLE_ROUNDS; round++) {
      const single = reports.next(SINGLE);
      const beganMs = performance.now();
      await shape.insert(single);
      singleMs.push((performance.now() - beganMs) / single.length);
      points += single.length;
    }
    // What autovacuum does by itself within minutes.
    await pool.query(`vacuum analyze ${shape.table}`);
    rows.push({
      shape: shape.name,
      points,
      batchedUs,
      singleUs: quantileOf(singleMs, 0.5) * 1000,
      readMs: await readCostMs(shape),
      bytes: await sizeOf(pool, shape.table, points),
    });
    process.stderr.write(`${shape.name}: ${number(points)} points\n`);
  }
  return rows;
}

/** Median over the trials, the second time. */
async function readCostMs(shape: Shape): Promise<number> {
  const costsMs: number[] = [];
  for (let read = 0; read < 2 * TRIALS; read++) {
    const startMs = performance.now();
    await shape.read(1 + (read % TRIALS));
    costsMs.push(performance.now() - startMs);
  }
  return quantileOf(costsMs.slice(TRIALS), 0.5);
}

async function sizeOf(pool: pg.Pool, table: string, points: number): Promise<number> {
  const { rows } = await pool.query<{ bytes: number }>(
    "select pg_total_relation_size($1::regclass)::float8 as bytes",
    [table],
  );
  return (rows[0]?.bytes ?? 0) / points;
}

/** The rows that a series belongs to, as few and as bare as the schema lets them be. */
async function makeTrials(pool: pg.Pool): Promise<void> {
  const at = "2026-01-01T00:00:00Z";
  const put = (table: string, row: object) =>
    pool.query(`insert into ${table} select * from json_populate_record(null::${table}, $1)`, [
      JSON.stringify(row),
    ]);
  await pool.query("insert into users (name, created_at) values ('bench', now())");
  for (let name = 1; name <= NAMES; name++)
    await put("metric_names", { id: name, name: `metric_${name}` });
  await put("experiments", {
    ...{ id: 1, name: "", labels: [], workspace: "", project: "", owner_id: 1, state: "active" },
    ...{ reason: "", config: {}, config_text: "", data: {}, seed: 0, provenance: {}, plan: {} },
    ...{ searcher_reason: "", search_spec: {}, search_state: {}, search_events: 0, core: {} },
    ...{ progress: 0, steps: 0, slot_ms: 0, created_at: at },
  });
  for (let id = 1; id <= TRIALS; id++) {
    await put("trials", {
      ...{ id, experiment_id: 1, number: id, state: "running", reason: "", hyperparameters: {} },
      ...{ seed: 0, bracket: 0, step: 0, restarts: 0, core: {}, slot_ms: 0, created_at: at },
      refused_metrics: {},
    });
    await put("allocations", {
      ...{ id, experiment_id: 1, trial_number: id, run: 1, runner: "local", slots: [] },
      ...{ state: "running", start_step: 0, kill: false, orders_reason: "", orders_version: 1 },
      ...{ acked: 0, reason: "", created_at: at },
    });
  }
}

function table(rows: readonly Row[]): string {
  const head =
    "| shape | points | stored in batches, µs | stored singly, µs | one series thinned, ms | bytes a point |";
  const line = (row: Row): string =>
    `| ${row.shape} | ${row.points.toLocaleString("en-US")} | ${number(row.batchedUs)} | ${number(row.singleUs)} | ${number(row.readMs)} | ${number(row.bytes)} |`;
  return [head, "| --- | --- | --- | --- | --- | --- |", ...rows.map(line)].join("\n");
}

const { values } = parseArgs({
  options: { points: { type: "string", default: "1e7" }, json: { type: "string" } },
});
const sizes = [1e5, 1e6, 1e7, 1e8].filter((size) => size <= Number(values.points));
const dataDir = mkdtempSync(join(tmpdir(), "contrail-shape-"));
const postgres = await startPostgres({ dataDir, log: silentLog });
try {
  const database = await openDatabase<Database>({ embedded: postgres, log: silentLog });
  await migrate(database.pool, { log: silentLog });
  await makeTrials(database.pool);
  const rows = [
    ...(await grow(database.pool, rowShape(database), sizes)),
    ...(await grow(database.pool, await chunkShape(database), sizes)),
  ];
  process.stdout.write(`${table(rows)}\n`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows)}\n`);
  await database.close();
} finally {
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
}
