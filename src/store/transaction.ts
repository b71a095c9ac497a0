/**
 * One transaction, hand-written SQL and kysely side by side on the same connection.
 *
 * PostgreSQL may end a transaction because it could not be ordered among others (serialization failure,
 * deadlock); the right answer to that is to run it again from the start, which is done here. So the work may
 * run more than once and must touch nothing but the database. A connection that is lost during COMMIT
 * leaves the outcome unknown: that is never retried here, only the caller can look.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";

export interface Transaction<DB> {
  readonly client: pg.PoolClient;
  readonly db: Kysely<DB>;
}

export interface TransactionOptions {
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
  readonly readOnly?: boolean;
  readonly attemptsMax?: number;
}

const SERIALIZATION_FAILURE = "40001";
const DEADLOCK_DETECTED = "40P01";
const UNIQUE_VIOLATION = "23505";

/** @returns what `work` returned in the attempt that was committed */
export async function inTransaction<DB, T>(
  pool: pg.Pool,
  work: (transaction: Transaction<DB>) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const { attemptsMax = 8 } = options;
  for (let attempt = 1; ; attempt++) {
    const client = await pool.connect();
    // The connection's own number spreads the retries of competitors without a random generator.
    const turn = ((client as unknown as { processID?: number }).processID ?? 0) % 8;
    try {
      return await runOnce(client, work, options);
    } catch (error) {
      if (attempt >= attemptsMax || !isRetryable(error)) throw error;
    }
    await delay(2 ** Math.min(attempt, 6) * (1 + turn / 8));
  }
}

async function runOnce<DB, T>(
  client: pg.PoolClient,
  work: (transaction: Transaction<DB>) => Promise<T>,
  { isolation, readOnly }: TransactionOptions,
): Promise<T> {
  let broken: Error | undefined;
  // A checked-out connection that is lost emits an error even when no query is waiting to hear of it.
  const onError = (error: Error) => {
    broken = error;
  };
  client.on("error", onError);
  try {
    await client.query(
      `begin${isolation ? ` isolation level ${isolation}` : ""}${readOnly ? " read only" : ""}`,
    );
    try {
      const result = await work({ client, db: kyselyOn<DB>(client) });
      const { command } = await client.query("commit");
      if (command === "ROLLBACK") {
        throw new Error(
          "the transaction was not committed: one of its statements had failed, and the failure was swallowed",
        );
      }
      return result;
    } catch (error) {
      await client.query("rollback").catch((cause: Error) => {
        broken = cause;
      });
      throw error;
    }
  } finally {
    client.off("error", onError);
    client.release(broken);
  }
}

/** A query builder on one connection that belongs to somebody else. */
export function kyselyOn<DB>(client: pg.ClientBase): Kysely<DB> {
  const borrowed = {
    query: client.query.bind(client),
    get processID() {
      return (client as unknown as { processID?: number }).processID;
    },
    release() {},
  } as unknown as pg.PoolClient;
  const pool = { options: {}, connect: async () => borrowed, end: async () => undefined };
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool }) });
}

function isRetryable(error: unknown): boolean {
  const code = (error as { code?: unknown })?.code;
  return code === SERIALIZATION_FAILURE || code === DEADLOCK_DETECTED;
}

/** Whether a statement failed because a row with this key is there already. @param constraint its name, any when absent */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const { code, constraint: violated } = (error ?? {}) as { code?: unknown; constraint?: unknown };
  return code === UNIQUE_VIOLATION && (constraint === undefined || constraint === violated);
}
