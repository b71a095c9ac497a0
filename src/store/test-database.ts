/**
 * A private, migrated database for each test file (see test-scratch-database.ts). The server is the one that
 * CONTRAIL_TEST_DATABASE_URL names, or one that this process starts on first use and stops when its tests are over.
 * Import it from tests only: it registers a hook with node:test.
 */
import { after } from "node:test";
import { startTestPostgres, type TestPostgres } from "./test-postgres.ts";
import { scratchDatabase, type TestDatabase } from "./test-scratch-database.ts";

let own: Promise<TestPostgres> | undefined;
after(async () => {
  await (await own)?.stop();
});

async function serverUrl(): Promise<string> {
  const given = process.env.CONTRAIL_TEST_DATABASE_URL;
  if (given !== undefined && given !== "") return given;
  own ??= startTestPostgres();
  return (await own).url;
}

/** @param options.migrations folder to migrate with; null for an empty database */
export async function withTestDatabase<DB>(
  options: { migrations?: string | null } = {},
): Promise<TestDatabase<DB>> {
  return scratchDatabase<DB>(await serverUrl(), options);
}
