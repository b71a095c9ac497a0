/**
 * A private, migrated database on a server that is there, cheap: the migrations run once into a template, and each
 * database is a copy of it (some 30 ms). For tests and whatever else tries things out; test-database.ts brings the
 * server too.
 */
import { createHash, randomBytes } from "node:crypto";
import pg from "pg";
import { type OpenDatabase, openDatabase } from "./database.ts";
import { silentLog } from "./log.ts";
import { migrate, migrationsFolder, readMigrations } from "./migrate.ts";

export interface TestDatabase<DB> extends OpenDatabase<DB> {
  /** Names this database, for another process or `openDatabase`. */
  readonly url: string;
  /** Closes the pools and drops the database, whoever is still connected. Idempotent. */
  drop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * @param server URL of a PostgreSQL in which databases may be made
 * @param options.migrations folder to migrate with; null for an empty database
 */
export async function scratchDatabase<DB>(
  server: string,
  options: { migrations?: string | null } = {},
): Promise<TestDatabase<DB>> {
  const { migrations = migrationsFolder } = options;
  const template = migrations === null ? "template0" : await ensureTemplate(server, migrations);
  const name = `contrail_test_${process.pid}_${randomBytes(5).toString("hex")}`;
  await withClient(server, (client) =>
    client.query(`create database ${name} template ${template}`),
  );
  const url = databaseUrl(server, name);
  const database = await openDatabase<DB>({ url, log: silentLog, writersMax: 8, readersMax: 4 });
  let dropping: Promise<void> | undefined;
  const drop = () => {
    dropping ??= (async () => {
      await database.close();
      await withClient(server, (client) =>
        client.query(`drop database if exists ${name} with (force)`),
      );
    })();
    return dropping;
  };
  return { ...database, url, drop, [Symbol.asyncDispose]: drop };
}

/** The server's URL with another database in it. */
function databaseUrl(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

/** @returns the name of a database that these migrations, exactly, have been applied to */
async function ensureTemplate(server: string, folder: string): Promise<string> {
  const checksums = (await readMigrations(folder)).map((migration) => migration.checksum).join();
  const name = `contrail_template_${createHash("sha256").update(checksums).digest("hex").slice(0, 16)}`;
  return withClient(server, async (client) => {
    // One process makes it, the others wait; it gets its name when it is complete.
    await client.query("select pg_advisory_lock(hashtext($1))", [name]);
    const { rowCount } = await client.query("select 1 from pg_database where datname = $1", [name]);
    if (rowCount !== 0) return name;
    const unfinished = `${name}_unfinished`;
    await client.query(`drop database if exists ${unfinished} with (force)`);
    await client.query(`create database ${unfinished} template template0`);
    const pool = new pg.Pool({ connectionString: databaseUrl(server, unfinished), max: 1 });
    pool.on("error", () => undefined);
    try {
      await migrate(pool, { folder });
    } finally {
      await pool.end();
    }
    await client.query(`alter database ${unfinished} rename to ${name}`);
    return name;
  });
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
