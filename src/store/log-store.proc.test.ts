/** Pages of long logs: that they hold the right lines, and that a page costs what it shows and not what there is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import { IN_ORDER, type LogFilter, lastPlace, linesQuery, readLines } from "./log-store.ts";
import type { Database } from "./schema.ts";
import { withTestDatabase } from "./test-database.ts";
import { ALLOCATION, EXPERIMENT, TRIAL } from "./test-rows.ts";

const LINES = 20_000;
const LIMIT = 100;

/** One experiment of two trials, the first with two runs, whose lines came by turns; and no statistics of them yet. */
async function openLog(): Promise<{ pool: pg.Pool } & AsyncDisposable> {
  const database = await withTestDatabase<Database>();
  const { pool } = database;
  await pool.query("alter table logs set (autovacuum_enabled = false)");
  await pool.query("insert into users (name, created_at) values ('ada', now())");
  const put = (table: string, row: object) => {
    const columns = Object.keys(row).join(", ");
    return pool.query(
      `insert into ${table} (${columns}) select ${columns} from json_populate_record(null::${table}, $1)`,
      [JSON.stringify(row)],
    );
  };
  await put("experiments", EXPERIMENT);
  for (const number of [1, 2]) await put("trials", { ...TRIAL, id: number, number });
  for (const [id, trial, run] of [
    [1, 1, 1],
    [2, 2, 1],
    [3, 1, 2],
  ])
    await put("allocations", { ...ALLOCATION, ...{ id, trial_number: trial, run, start_step: 0 } });
  await pool.query(
    `insert into logs (allocation_id, seq, experiment_id, position, at, rank, stream, complete, bytes)
     select p % 3 + 1, p / 3 + 1, 1, p + 1, now(), 0, 1 + (p / 3) % 2, true, convert_to('line ' || p, 'UTF8')
     from generate_series(0, $1 - 1) p`,
    [LINES],
  );
  return { pool, [Symbol.asyncDispose]: () => database.drop() };
}

interface Node {
  readonly "Relation Name"?: string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly Node[];
}

/** How many lines the database looked at. */
async function linesRead(pool: pg.Pool, filter: LogFilter): Promise<number> {
  const client = await pool.connect();
  try {
    await client.query("begin read only");
    await client.query(IN_ORDER);
    const { text, values } = linesQuery(filter);
    const { rows } = await client.query<{ "QUERY PLAN": [{ Plan: Node }] }>(
      `explain (analyze, format json) ${text}`,
      values,
    );
    await client.query("rollback");
    const count = (node: Node): number =>
      (node["Relation Name"] === "logs"
        ? (node["Actual Rows"] + (node["Rows Removed by Filter"] ?? 0)) * node["Actual Loops"]
        : 0) + (node.Plans ?? []).reduce((sum, plan) => sum + count(plan), 0);
    return count((rows[0] as { "QUERY PLAN": [{ Plan: Node }] })["QUERY PLAN"][0].Plan);
  } finally {
    client.release();
  }
}

test("every page of a log is found without gathering the rest, also before there are statistics", async () => {
  await using log = await openLog();
  const page = { experiment: 1, limit: LIMIT, fromEnd: false };
  const filters: readonly LogFilter[] = [
    page,
    { ...page, after: { position: LINES / 2 } },
    { ...page, fromEnd: true },
    { ...page, trial: 1 },
    { ...page, trial: 1, after: { allocation: 1, seq: 3_000 } },
    { ...page, trial: 1, after: { allocation: 3, seq: 3_000 } },
    { ...page, trial: 2, fromEnd: true },
    { ...page, trial: 1, stream: "stderr" },
  ];
  for (const filter of filters) {
    const read = await linesRead(log.pool, filter);
    // Two runs may both be looked into, half of the lines may be of the other stream.
    assert.ok(read <= 4 * (LIMIT + 2), `${JSON.stringify(filter)} looked at ${read} lines`);
  }
});

test("pages follow one another through an experiment, and through a trial run by run", async () => {
  await using log = await openLog();
  const text = ({ bytes }: { bytes: Buffer }) => bytes.toString();
  const all = await readLines(log.pool, { experiment: 1, limit: LINES + 1, fromEnd: false });
  assert.deepEqual(
    all.map(text),
    Array.from({ length: LINES }, (_, p) => `line ${p}`),
  );
  const ofTrial = [0, 2].flatMap((allocation) =>
    Array.from({ length: LINES }, (_, p) => p).filter((p) => p % 3 === allocation),
  );
  const found: string[] = [];
  for (let after: { allocation: number; seq: number } | undefined; ; ) {
    const filter = { experiment: 1, trial: 1, limit: 999, fromEnd: false, after };
    const rows = await readLines(log.pool, filter);
    found.push(...rows.map(text));
    const last = rows.at(-1);
    if (!last) break;
    after = { allocation: last.allocation_id, seq: Number(last.seq) };
  }
  assert.deepEqual(
    found,
    ofTrial.map((p) => `line ${p}`),
  );
  const end = await readLines(log.pool, { experiment: 1, trial: 1, limit: 3, fromEnd: true });
  assert.deepEqual(
    end.map(text),
    ofTrial.slice(-3).map((p) => `line ${p}`),
  );
  // A page also ends by size, with the line that goes past it.
  const short = await readLines(log.pool, {
    ...{ experiment: 1, limit: 100, fromEnd: false, bytesMax: 20 },
  });
  assert.deepEqual(short.map(text), ["line 0", "line 1", "line 2", "line 3"]);
});

test("the last place is of the last line that is read, and not of a run whose lines must wait", async () => {
  await using log = await openLog();
  const of = (experiment: number, trial?: number, run?: number) =>
    lastPlace(log.pool, { experiment, trial, run });
  const linesOf = (allocation: number) => Math.ceil((LINES - allocation + 1) / 3);
  assert.deepEqual(await of(1), { position: LINES });
  assert.deepEqual(await of(1, 1), { allocation: 3, seq: linesOf(3) });
  assert.deepEqual(await of(1, 2), { allocation: 2, seq: linesOf(2) });
  assert.deepEqual(await of(1, 1, 1), { allocation: 1, seq: linesOf(1) });
  assert.equal(await of(1, 9), undefined);
  await log.pool.query(
    "update allocations set state = 'ended', ended_at = now(), log_lines = $1 where id = 1",
    [linesOf(1) + 1],
  );
  assert.deepEqual(await of(1, 1), { allocation: 1, seq: linesOf(1) });
  assert.deepEqual(
    await of(1, 1, 2),
    { allocation: 3, seq: linesOf(3) },
    "one run alone waits for none",
  );
});
