/** Lines on their way into PostgreSQL: what is acknowledged is there, whatever becomes of the database's answers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import type { Database } from "../store/schema.ts";
import { withTestDatabase } from "../store/test-database.ts";
import { LogWriter } from "./log-writer.ts";

const ROW_IDS = new Map([
  ["1.1.1", 1],
  ["1.2.1", 2],
]);

const lines = (id: string, ...seqs: readonly number[]) => ({
  allocations: [
    {
      ...{ id, fence: 1 },
      lines: seqs.map((seq) => ({
        ...{ seq, atMs: 0, rank: 0, stream: "stdout" as const, complete: true },
        bytes: Buffer.from(`${id} says ${seq}`).toString("base64"),
      })),
    },
  ],
});

class Stage implements AsyncDisposable {
  readonly writer: LogWriter;
  readonly pool: pg.Pool;
  /** The next insert is committed, and its connection lost before it says so. */
  losesAnswer = false;
  told = 0;
  readonly #drop: () => Promise<void>;

  private constructor(pool: pg.Pool, drop: () => Promise<void>) {
    this.pool = pool;
    this.#drop = drop;
    const query = async (config: pg.QueryConfig, values?: unknown[]): Promise<unknown> => {
      const answer = await pool.query(config, values);
      if (config.name !== "insert_lines" || !this.losesAnswer) return answer;
      this.losesAnswer = false;
      throw new Error("Connection terminated unexpectedly");
    };
    this.writer = new LogWriter({
      pool: { query } as pg.Pool,
      nowMs: () => 0,
      rowIds: async () => ROW_IDS,
      onStored: () => {
        this.told += 1;
      },
    });
  }

  static async open(): Promise<Stage> {
    const database = await withTestDatabase<Database>();
    return new Stage(database.pool, () => database.drop());
  }

  /** In the order of their positions. */
  async stored(): Promise<string[]> {
    const { rows } = await this.pool.query<{ text: string }>(
      "select position || ': ' || convert_from(bytes, 'UTF8') as text from logs order by position",
    );
    return rows.map(({ text }) => text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#drop();
  }
}

test("an answer lost after the commit costs no line of any trial of the experiment", async () => {
  await using stage = await Stage.open();
  const { writer } = stage;
  assert.deepEqual(await writer.store(lines("1.1.1", 1)), { "1.1.1": 1 });
  stage.losesAnswer = true;
  await assert.rejects(writer.store(lines("1.1.1", 2, 3)), /terminated/);
  assert.equal(stage.told, 1, "whether they are there is not known yet");
  assert.deepEqual(await writer.store(lines("1.1.1", 2, 3)), { "1.1.1": 3 });
  assert.equal(stage.told, 2, "followers hear of lines that only the second try knew to be there");
  assert.deepEqual(await writer.store(lines("1.2.1", 1, 2)), { "1.2.1": 2 });
  assert.deepEqual(await writer.store(lines("1.1.1", 4)), { "1.1.1": 4 });
  assert.deepEqual(await stage.stored(), [
    ...["1: 1.1.1 says 1", "2: 1.1.1 says 2", "3: 1.1.1 says 3"],
    ...["4: 1.2.1 says 1", "5: 1.2.1 says 2", "6: 1.1.1 says 4"],
  ]);
});

test("a position that an insert still under way has taken is an error, and the next try finds a free one", async () => {
  await using stage = await Stage.open();
  const { writer, pool } = stage;
  const other = await pool.connect();
  try {
    await other.query("begin");
    await other.query(
      `insert into logs (allocation_id, seq, experiment_id, position, at, rank, stream, complete, bytes)
       values (1, 1, 1, 1, now(), 0, 1, true, '1.1.1 says 1')`,
    );
    const refused = assert.rejects(writer.store(lines("1.2.1", 1)), { code: "23505" });
    for (let turn = 0; turn < 1000 && !(await waits(pool)); turn++) await delay(10);
    await other.query("commit");
    await refused;
  } finally {
    other.release();
  }
  assert.deepEqual(await writer.store(lines("1.2.1", 1)), { "1.2.1": 1 });
  assert.deepEqual(await writer.store(lines("1.1.1", 1, 2)), { "1.1.1": 2 });
  assert.deepEqual(await stage.stored(), [
    ...["1: 1.1.1 says 1", "2: 1.2.1 says 1", "3: 1.1.1 says 2"],
  ]);
});

/** Whether something in this database stands behind a lock. */
async function waits(pool: pg.Pool): Promise<boolean> {
  const { rowCount } = await pool.query(
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
  );
  return (rowCount ?? 0) > 0;
}
