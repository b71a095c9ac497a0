/**
 * The ledger in PostgreSQL: one transaction a turn, on a connection that is never used again after a failure.
 *
 * A connection can break while its commit goes on in the database, and happen a moment after the server has read that
 * it did not. So turns are numbered in a row that every transaction writes first and `takeOver` writes, too: its
 * lock makes one wait for the other, and its number lets only one of them through. (A session's lock would
 * not do: it is gone with the connection, while the transaction lives.)
 */
import type pg from "pg";
import type { ClockStep } from "../core/lifecycle/clock-steps.ts";
import { loadExperiments, type StoredExperiment } from "../store/live-rows.ts";
import { readRetention } from "../store/retention-store.ts";
import type { RunnerRow } from "../store/schema.ts";
import {
  type ChainTip,
  insertMetrics,
  type MetricPoint,
  type WriteBatch,
} from "../store/write-batch.ts";
import { type Counters, type Ledger, LedgerMoved } from "./ledger.ts";
import { CLOCK_STEPS_KEY } from "./live-clock-steps.ts";

const NEXT_TURN = {
  name: "next_turn",
  text: "update settings set value = to_jsonb($1::bigint + 1) where key = 'turn' and value = to_jsonb($1::bigint)",
};

const TAKE_TURN = `insert into settings (key, value) values ('turn', '1') on conflict (key)
  do update set value = to_jsonb((settings.value #>> '{}')::bigint + 1) returning value`;

export class PostgresLedger implements Ledger {
  readonly #pool: pg.Pool;
  /** The turn that memory builds on; undefined before it was taken over. */
  #turn: number | undefined;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async takeOver(): Promise<ChainTip> {
    this.#turn = await this.#takeTurn();
    const { rows } = await this.#pool.query<{ seq: number; hash: Buffer }>(
      "select seq, hash from changes order by seq desc limit 1",
    );
    const last = rows[0];
    return last ? { seq: Number(last.seq), hash: last.hash } : { seq: 0, hash: Buffer.alloc(32) };
  }

  async holds({ seq, hash }: ChainTip): Promise<boolean> {
    if (seq === 0) return true;
    const { rowCount } = await this.#pool.query(
      "select 1 from changes where seq = $1 and hash = $2",
      [seq, hash],
    );
    return rowCount === 1;
  }

  async commit(batch: WriteBatch, tip: ChainTip): Promise<ChainTip> {
    const turn = this.#turn ?? (await this.#takeTurn());
    let client: pg.PoolClient | undefined;
    // A connection that breaks says so in an event too, which ends the process where nobody listens.
    const onError = (): void => undefined;
    try {
      client = await this.#pool.connect();
      client.on("error", onError);
      await client.query("begin");
      // First of all: a commit still under way holds this row, and what comes after it must know what it did.
      const { rowCount } = await client.query({ ...NEXT_TURN, values: [turn] });
      if (rowCount !== 1)
        throw new LedgerMoved(`turn ${turn + 1} was written by somebody else in the meantime`);
      const next = await batch.flush(client, tip);
      await client.query("commit");
      client.off("error", onError);
      client.release();
      this.#turn = turn + 1;
      return next;
    } catch (error) {
      // The connection may be in any state (or the commit's answer lost): never use it again.
      client?.release(true);
      throw error;
    }
  }

  async storeAhead(metrics: readonly MetricPoint[]): Promise<void> {
    await this.#pool.query(insertMetrics(metrics));
  }

  /** Waits for a commit under way, which holds the row; one that has not come so far will find another number. */
  async #takeTurn(): Promise<number> {
    const { rows } = await this.#pool.query<{ value: number }>(TAKE_TURN);
    return rows[0]?.value ?? 0;
  }

  load(ids?: readonly number[]): Promise<StoredExperiment[]> {
    return loadExperiments(this.#pool, ids);
  }

  async counters(): Promise<Counters> {
    type Numbers = Pick<Counters, "experiment" | "trial" | "allocation" | "ordersVersion">;
    const { rows } = await this.#pool.query<Numbers>(
      `select coalesce((select max(id) from experiments), 0) as experiment,
        coalesce((select max(id) from trials), 0) as trial,
        coalesce((select max(id) from allocations), 0) as allocation,
        coalesce((select max(orders_version) from allocations), 0) as "ordersVersion"`,
    );
    const last = rows[0] ?? { experiment: 0, trial: 0, allocation: 0, ordersVersion: 0 };
    const { pins, marks } = await readRetention(this.#pool);
    const names = await this.#pool.query<{ id: number; name: string }>(
      "select id, name from metric_names",
    );
    const runners = await this.#pool.query<RunnerRow>("select * from runners order by id");
    const steps = await this.#pool.query<{ value: ClockStep[] }>(
      "select value from settings where key = $1",
      [CLOCK_STEPS_KEY],
    );
    return {
      ...{ ...last, metricNames: names.rows, pins, marks, runners: runners.rows },
      clockSteps: steps.rows[0]?.value ?? [],
    };
  }
}
