/**
 * Opens the one database, embedded or named by DATABASE_URL; everything above sees no difference.
 *
 * Two pools: `pool` for whatever writes, `readPool` for lists and charts, read-only and with a statement
 * timeout, so that a slow question can neither hold up a decision nor change anything.
 *
 * What comes back as what:
 *   int8      a number; a value beyond ±2^53 is an error rather than a silently wrong number (cast it to text)
 *   numeric   text, as PostgreSQL wrote it: it can hold more than a number can. No column should be one;
 *             sums of int8 are numeric, so write sum(x)::int8 or ::float8
 *   float8    a number, NaN, ±Infinity and -0 included; on the way in see `float8`
 *   json(b)   parsed; on the way in always through `json`
 */
import { type Dialect, Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { Log } from "./log.ts";
import type { RunningPostgres } from "./postgres/postgres.ts";
import { inTransaction, type Transaction, type TransactionOptions } from "./transaction.ts";

export interface OpenDatabase<DB> {
  readonly pool: pg.Pool;
  readonly db: Kysely<DB>;
  /** Read-only, with a statement timeout. */
  readonly readPool: pg.Pool;
  readonly readDb: Kysely<DB>;
  /** Runs `work` in one transaction, again when PostgreSQL asks for that (see transaction.ts). */
  transact<T>(
    work: (transaction: Transaction<DB>) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T>;
  /** Waits for what runs, then closes every connection. Idempotent. */
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** Where it is: exactly one of the two. */
  readonly url?: string | undefined;
  readonly embedded?: Pick<RunningPostgres, "connection"> | undefined;
  readonly log: Log;
  /** Connections of each pool at most; the embedded server allows 40 together. */
  readonly writersMax?: number;
  readonly readersMax?: number;
  readonly readTimeoutMs?: number;
}

export type DatabaseErrorCode = "unreachable" | "too_old" | "invalid_url";

export class DatabaseError extends Error {
  override name = "DatabaseError";
  readonly code: DatabaseErrorCode;
  constructor(code: DatabaseErrorCode, message: string, options?: { cause?: unknown }) {
    super(`database_${code}: ${message}`, options);
    this.code = code;
  }
}

const MAJOR_MIN = 15;

/**
 * Opens both pools and checks that the server answers and is new enough.
 * @throws DatabaseError
 */
export async function openDatabase<DB>(options: DatabaseOptions): Promise<OpenDatabase<DB>> {
  const { log, writersMax = 12, readersMax = 8, readTimeoutMs = 15_000 } = options;
  const base: pg.PoolConfig = {
    ...connectionOf(options),
    types: { getTypeParser },
    application_name: "contrail",
    keepAlive: true,
    connectionTimeoutMillis: 15_000,
  };
  // Statements of one transaction go out together where the caller sends them together (write-batch.ts).
  const pool = openPool({ ...base, max: writersMax, pipeline: true }, log);
  const readPool = openPool(
    {
      ...base,
      max: readersMax,
      statement_timeout: readTimeoutMs,
      options: "-c default_transaction_read_only=on",
      application_name: "contrail-read",
    },
    log,
  );
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= Promise.all([pool.end(), readPool.end()]).then(() => undefined);
    return closing;
  };
  try {
    await checkServer(pool, describe(options));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    pool,
    db: new Kysely<DB>({ dialect: poolDialect(pool) }),
    readPool,
    readDb: new Kysely<DB>({ dialect: poolDialect(readPool) }),
    transact: (work, more) => inTransaction(pool, work, more),
    close,
  };
}

/** The one way to hand JSON to a query: as text. An array or a string given raw would be taken for something else. */
export function json(value: unknown): string {
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError("json(): undefined and functions have no JSON form");
  return text;
}

/** A float8 parameter. Only minus zero needs help: JavaScript prints it as "0". */
export function float8(value: number): number | string {
  return Object.is(value, -0) ? "-0" : value;
}

/** Like `pg_typeof`-safe reads: int8 as a number, and refused beyond what a number can hold exactly. */
export function int8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(
      `the database returned ${text}, which no JavaScript number holds exactly; select it as text`,
    );
  }
  return value;
}

const INT8 = 20;
const INT8_ARRAY = 1016;

function getTypeParser(oid: number, format?: "text" | "binary") {
  if (format === "binary") return pg.types.getTypeParser(oid, "binary");
  if (oid === INT8) return int8;
  const known = pg.types.getTypeParser(oid, "text");
  return oid === INT8_ARRAY ? (text: string) => int8Array(known(text)) : known;
}

function int8Array(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(int8Array);
  return value === null ? null : int8(String(value));
}

function connectionOf({ url, embedded }: DatabaseOptions): pg.PoolConfig {
  if (embedded !== undefined) return { ...embedded.connection };
  if (url !== undefined && /^(postgres|postgresql|socket):/.test(url))
    return { connectionString: url };
  throw new DatabaseError(
    "invalid_url",
    "DATABASE_URL must look like postgresql://user:password@host:5432/database (it is not shown here: it may hold a password).",
  );
}

/** Names the place without its password. */
function describe({ url, embedded }: DatabaseOptions): string {
  if (embedded !== undefined) return `the embedded PostgreSQL on ${embedded.connection.host}`;
  try {
    const { host, pathname, searchParams } = new URL(url ?? "");
    return `PostgreSQL at ${host || searchParams.get("host") || "localhost"}${pathname}`;
  } catch {
    return "the PostgreSQL that DATABASE_URL names";
  }
}

function openPool(config: pg.PoolConfig, log: Log): pg.Pool {
  const pool = new pg.Pool(config);
  // Without a listener a server that goes away would end this process. The next query reports it properly.
  pool.on("error", (error) =>
    log.warn({ error: error.message }, "an idle database connection was lost"),
  );
  return pool;
}

function poolDialect(pool: pg.Pool): Dialect {
  return new PostgresDialect({ pool });
}

async function checkServer(pool: pg.Pool, where: string): Promise<void> {
  let version: number;
  try {
    const { rows } = await pool.query<{ server_version_num: string }>("show server_version_num");
    version = Number(rows[0]?.server_version_num);
  } catch (cause) {
    const { code, message } = cause as { code?: string; message: string };
    const hint =
      code === "28P01" || code === "28000"
        ? "Check the user and password in DATABASE_URL."
        : code === "3D000"
          ? "Create the database first, or name an existing one in DATABASE_URL."
          : "Check that it runs and that DATABASE_URL names it.";
    throw new DatabaseError(
      "unreachable",
      `cannot connect to ${where}: ${message || code}. ${hint}`,
      { cause },
    );
  }
  const major = Math.floor(version / 10_000);
  if (major >= MAJOR_MIN) return;
  throw new DatabaseError(
    "too_old",
    `${where} is version ${major}; Contrail needs ${MAJOR_MIN} or newer. Upgrade it, or leave DATABASE_URL unset ` +
      "to use the PostgreSQL that Contrail carries.",
  );
}
