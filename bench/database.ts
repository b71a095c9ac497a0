/** A direct line to the database of a server under test: to fill it with what would take hours to report. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { superuser } from "../src/store/postgres/cluster.ts";

/** Runs `work` on a connection to the embedded PostgreSQL that runs in this data folder. */
export async function withDatabase<T>(
  dataDir: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const lines = readFileSync(join(dataDir, "postgres", "data", "postmaster.pid"), "utf8").split(
    "\n",
  );
  const client = new pg.Client({
    host: lines[4] as string,
    port: Number(lines[3]),
    user: superuser,
    database: "contrail",
  });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
