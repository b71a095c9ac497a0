/**
 * One PostgreSQL for all test processes of a run, started when the first of them needs it. Each test
 * file makes its own database in it (src/store/test-database.ts), which takes 30 ms where a server of
 * its own would take more than a second.
 */
import type { TestPostgres } from "../../src/store/test-postgres.ts";

let started: Promise<TestPostgres> | undefined;

/** @returns the environment that leads the tests to the server */
export async function databaseEnvironment(): Promise<NodeJS.ProcessEnv> {
  const given = process.env.CONTRAIL_TEST_DATABASE_URL;
  if (given !== undefined && given !== "") return { CONTRAIL_TEST_DATABASE_URL: given };
  // Loaded late: `check` of a tree whose store does not load should say so as one failed part.
  started ??= import("../../src/store/test-postgres.ts").then((store) => store.startTestPostgres());
  return { CONTRAIL_TEST_DATABASE_URL: (await started).url };
}

export async function stopDatabase(): Promise<void> {
  // A start that failed has been reported by the part that asked for it.
  const server = await started?.catch(() => undefined);
  await server?.stop();
}
