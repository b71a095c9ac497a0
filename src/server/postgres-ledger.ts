/** The ledger in PostgreSQL: one transaction a turn, on a connection that is never used again after a failure. */
import type pg from "pg";
import { loadExperiments, type StoredExperiment } from "../store/live-rows.ts";
import type { ChainTip, WriteBatch } from "../store/write-batch.ts";
import type { Counters, Ledger } from "./ledger.ts";

export class PostgresLedger implements Ledger {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async readTip(): Promise<ChainTip> {
    const { rows } = await this.#pool.query<{ seq: number; hash: Buffer }>(
      "select seq, hash from changes order by seq desc limit 1",
    );
    const last = rows[0];
    return last ? { seq: Number(last.seq), hash: last.hash } : { seq: 0, hash: Buffer.alloc(32) };
  }

  async commit(batch: WriteBatch, tip: ChainTip): Promise<ChainTip> {
    let client: pg.PoolClient | undefined;
    // A connection that breaks says so in an event too, which ends the process where nobody listens.
    const onError = (): void => undefined;
    try {
      client = await this.#pool.connect();
      client.on("error", onError);
      await client.query("begin");
      const next = await batch.flush(client, tip);
      await client.query("commit");
      client.off("error", onError);
      client.release();
      return next;
    } catch (error) {
      // The connection may be in any state (or the commit's answer lost): never use it again.
      client?.release(true);
      throw error;
    }
  }

  load(ids?: readonly number[]): Promise<StoredExperiment[]> {
    return loadExperiments(this.#pool, ids);
  }

  async counters(): Promise<Counters> {
    const { rows } = await this.#pool.query<Omit<Counters, "metricNames">>(
      `select coalesce((select max(id) from experiments), 0) as experiment,
        coalesce((select max(id) from trials), 0) as trial,
        coalesce((select max(id) from allocations), 0) as allocation,
        coalesce((select max(orders_version) from allocations), 0) as "ordersVersion"`,
    );
    const last = rows[0] ?? { experiment: 0, trial: 0, allocation: 0, ordersVersion: 0 };
    const names = await this.#pool.query<{ id: number; name: string }>(
      "select id, name from metric_names",
    );
    return { ...last, metricNames: names.rows };
  }
}
