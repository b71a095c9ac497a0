/**
 * Brings a database's schema forward: `migrations/0001-name.sql`, `0002-…`, each once, in order.
 *
 * Each file runs in one transaction together with the row that says it ran, so a kill at any moment leaves
 * it done or not begun. An advisory lock, which dies with its connection, keeps two servers that start
 * together from both migrating. What was applied is remembered with a checksum of its text: an edited old
 * file, a gap, or a database that is newer than this program is refused before anything is changed. There
 * is no way back; a mistake is corrected by the next file.
 *
 * Refused: kysely's migrator. Its migrations are TypeScript functions, it keeps no checksums, and it
 * runs all that is pending in one transaction; plain SQL files can be read, reviewed and dumped.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type pg from "pg";
import { type Log, silentLog } from "./log.ts";

export const migrationsFolder = fileURLToPath(new URL("./migrations/", import.meta.url));

export interface Migration {
  /** From 1, without gaps. */
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the text with Unix line ends. */
  readonly checksum: string;
}

export class MigrationError extends Error {
  override name = "MigrationError";
  readonly code: "newer_schema" | "changed" | "invalid_files" | "failed";
  constructor(code: MigrationError["code"], message: string, options?: { cause?: unknown }) {
    super(`migration_${code}: ${message}`, options);
    this.code = code;
  }
}

/** "contrail" as eight ASCII bytes. */
const ADVISORY_LOCK = "7165066978583996780";

/** Reads and checks a folder of migrations. @throws MigrationError `invalid_files`, naming every fault */
export async function readMigrations(folder = migrationsFolder): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  const faults: string[] = [];
  const migrations: Migration[] = [];
  for (const [index, name] of names.entries()) {
    const number = Number(/^([0-9]{4})-[a-z0-9-]+\.sql$/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(number)) faults.push(`${name}: the name must look like 0001-what-it-does.sql`);
    else if (number !== index + 1)
      faults.push(`${name}: expected number ${index + 1} here (a gap, or one number twice)`);
    const sql = (await readFile(join(folder, name), "utf8")).replaceAll("\r\n", "\n");
    // Bodies in dollar quotes have a `begin` and `end` of their own.
    const outside = sql.replaceAll(/\$(\w*)\$.*?\$\1\$/gs, "''");
    if (
      /^\s*(begin|commit|rollback|start transaction)(\s+(work|transaction))?\s*;/im.test(outside)
    ) {
      faults.push(`${name}: must not begin or end transactions itself`);
    }
    migrations.push({
      number,
      name,
      sql,
      checksum: createHash("sha256").update(sql).digest("hex"),
    });
  }
  if (faults.length > 0)
    throw new MigrationError("invalid_files", `in ${folder}:\n  ${faults.join("\n  ")}`);
  return migrations;
}

/**
 * Applies what is missing. Safe to call from several processes at once, and again.
 * @returns the names of the migrations that this call applied, in order
 * @throws MigrationError
 */
export async function migrate(
  pool: pg.Pool,
  options: { folder?: string; log?: Log } = {},
): Promise<string[]> {
  const { log = silentLog } = options;
  const migrations = await readMigrations(options.folder);
  const client = await pool.connect();
  let broken: Error | undefined;
  const onError = (error: Error) => {
    broken = error;
  };
  client.on("error", onError);
  try {
    await client.query(`select pg_advisory_lock(${ADVISORY_LOCK})`);
    await client.query(
      `create table if not exists schema_migrations (
        number int primary key,
        name text not null,
        checksum text not null,
        applied_at timestamptz not null default now()
      )`,
    );
    const { rows } = await client.query<Applied>(
      "select number, name, checksum from schema_migrations order by number",
    );
    checkHistory(migrations, rows);
    const applied: string[] = [];
    for (const migration of migrations.slice(rows.length)) {
      await apply(client, migration);
      log.info({ migration: migration.name }, "migrated the database");
      applied.push(migration.name);
    }
    return applied;
  } catch (error) {
    broken ??= error as Error;
    throw error;
  } finally {
    if (broken === undefined) {
      await client.query(`select pg_advisory_unlock(${ADVISORY_LOCK})`).catch((error: Error) => {
        broken = error;
      });
    }
    client.off("error", onError);
    // A closed connection gives the lock back as well, so an unclear one is thrown away.
    client.release(broken);
  }
}

interface Applied {
  readonly number: number;
  readonly name: string;
  readonly checksum: string;
}

function checkHistory(migrations: readonly Migration[], applied: readonly Applied[]): void {
  const last = applied.at(-1);
  if (last !== undefined && last.number > migrations.length) {
    throw new MigrationError(
      "newer_schema",
      `the database has migration ${last.number} (${last.name}), this Contrail knows ${migrations.length}. ` +
        "A newer Contrail used this database: start that version or a later one. Nothing was changed.",
    );
  }
  const faults = applied.flatMap((row, index) => {
    const known = migrations[index];
    if (known === undefined || known.number !== row.number)
      return [`${row.number} (${row.name}) is out of order`];
    if (known.checksum === row.checksum) return [];
    return [
      `migration ${row.number} of the database, ${row.name}, is not ${known.name} as this build has it`,
    ];
  });
  if (faults.length === 0) return;
  throw new MigrationError(
    "changed",
    "this data folder or database was made by another build of Contrail (before its release the schema may change): " +
      `${faults.join("; ")}. Open it with that build, or choose another --data-dir or database. Nothing was changed.`,
  );
}

async function apply(
  client: pg.PoolClient,
  { number, name, sql, checksum }: Migration,
): Promise<void> {
  try {
    await client.query("begin");
    // One simple query: the server splits the statements, so function bodies may hold semicolons.
    await client.query(sql);
    await client.query(
      "insert into schema_migrations (number, name, checksum) values ($1, $2, $3)",
      [number, name, checksum],
    );
    await client.query("commit");
  } catch (cause) {
    await client.query("rollback").catch(() => undefined);
    const { message, position } = cause as { message: string; position?: string };
    const line =
      position === undefined
        ? ""
        : ` at line ${sql.slice(0, Number(position) - 1).split("\n").length}`;
    throw new MigrationError(
      "failed",
      `${name}${line}: ${message}. It left nothing behind; the ones before it stay.`,
      {
        cause,
      },
    );
  }
}
