/** Makes the text that is committed as `schema.dump.txt`, from the migrations and nothing else. */
import { writeFile } from "node:fs/promises";
import pg from "pg";
import { migrate } from "./migrate.ts";
import { dumpFile, dumpSchema } from "./schema-dump.ts";
import { startTestPostgres } from "./test-postgres.ts";

/** Starts a throw-away PostgreSQL, migrates it and reads the schema back; takes about a second. */
export async function generateSchemaDump(): Promise<string> {
  const postgres = await startTestPostgres();
  const pool = new pg.Pool({ connectionString: postgres.url, max: 1 });
  pool.on("error", () => undefined);
  try {
    await migrate(pool);
    return await dumpSchema(pool);
  } finally {
    await pool.end();
    await postgres.stop();
  }
}

/** @returns the path of the file that was written */
export async function writeSchemaDump(): Promise<URL> {
  await writeFile(dumpFile, await generateSchemaDump());
  return dumpFile;
}
