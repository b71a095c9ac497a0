/** A commit whose answer is lost may still be under way: what taking the ledger over makes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import type { Database } from "../store/schema.ts";
import { withTestDatabase } from "../store/test-database.ts";
import { WriteBatch } from "../store/write-batch.ts";
import { LedgerMoved } from "./ledger.ts";
import { PostgresLedger } from "./postgres-ledger.ts";

function oneChange(what: string): WriteBatch {
  const batch = new WriteBatch();
  const change = { actor: "a", experimentId: null, subject: "s", what, cause: "c" };
  batch.change({ at: new Date(0), ...change });
  return batch;
}

/** A pool on whose connections one statement waits until it is let go. */
function holding(pool: pg.Pool, statement: string) {
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const { promise: free, resolve: letGo } = Promise.withResolvers<void>();
  const connect = async () => {
    const client = await pool.connect();
    return new Proxy(client, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name !== "query") return value.bind(target);
        return async (...args: unknown[]) => {
          if (args[0] === statement) {
            reach();
            await free;
          }
          return value.apply(target, args);
        };
      },
    });
  };
  const held = new Proxy(pool, {
    get: (target, name) =>
      name === "connect" ? connect : Reflect.get(target, name, target).bind?.(target),
  });
  return { pool: held, reached, letGo };
}

async function untilSomebodyWaitsForALock(pool: pg.Pool): Promise<void> {
  for (;;) {
    const { rowCount } = await pool.query(
      "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    if (rowCount) return;
  }
}

test("taking over waits for a commit under way, and knows what it did", async () => {
  await using database = await withTestDatabase<Database>();
  const { pool, letGo, reached } = holding(database.pool, "commit");
  const dying = new PostgresLedger(pool);
  const lost = dying.commit(oneChange("late"), await dying.takeOver());
  await reached;
  const successor = new PostgresLedger(database.pool);
  const taken = successor.takeOver();
  await untilSomebodyWaitsForALock(database.pool);
  letGo();
  const tip = await taken;
  assert.deepEqual(tip, await lost);
  assert.equal(tip.seq, 1);
  assert.equal((await successor.commit(oneChange("next"), tip)).seq, 2);
});

test("a commit that begins after the ledger was taken over is refused", async () => {
  await using database = await withTestDatabase<Database>();
  const { pool, letGo, reached } = holding(database.pool, "begin");
  const dying = new PostgresLedger(pool);
  const lost = dying.commit(oneChange("too late"), await dying.takeOver());
  await reached;
  const successor = new PostgresLedger(database.pool);
  const tip = await successor.takeOver();
  letGo();
  await assert.rejects(lost, LedgerMoved);
  assert.deepEqual(await successor.takeOver(), tip, "nothing was written");
});
