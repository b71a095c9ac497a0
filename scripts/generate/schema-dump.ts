import { randomBytes } from "node:crypto";
import pg from "pg";
import { databaseEnvironment } from "../suite/database.ts";

/** src/store/schema.dump.txt: what the migrations add up to in a database that holds nothing else. */
export async function schemaDump(): Promise<string> {
  const { migrate } = await import("../../src/store/migrate.ts");
  const { dumpSchema } = await import("../../src/store/schema-dump.ts");
  const server = (await databaseEnvironment()).CONTRAIL_TEST_DATABASE_URL as string;
  const name = `contrail_dump_${randomBytes(5).toString("hex")}`;
  const admin = new pg.Client(server);
  await admin.connect();
  try {
    await admin.query(`create database ${name} template template0`);
    const url = new URL(server);
    url.pathname = `/${name}`;
    const pool = new pg.Pool({ connectionString: url.href, max: 1 });
    // `end` does not wait for the farewell, so dropping the database may cut the connection first.
    pool.on("error", () => undefined);
    try {
      await migrate(pool);
      return await dumpSchema(pool);
    } finally {
      await pool.end();
    }
  } finally {
    await admin.query(`drop database if exists ${name} with (force)`);
    await admin.end();
  }
}
