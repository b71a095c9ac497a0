/**
 * A throw-away PostgreSQL for tests: the real server, without flushing to disk, in a temporary folder. A
 * test runner starts one and hands its URL to all test files as CONTRAIL_TEST_DATABASE_URL; a file that is
 * run alone starts its own (test-database.ts).
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Log, silentLog } from "./log.ts";
import { startPostgres } from "./postgres/postgres.ts";

export interface TestPostgres {
  readonly url: string;
  /** Stops the server and deletes its folder. Idempotent. */
  stop(): Promise<void>;
}

export async function startTestPostgres(log: Log = silentLog): Promise<TestPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), "contrail-test-"));
  const remove = () => rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
  try {
    const postgres = await startPostgres({
      dataDir,
      log,
      throwAway: true,
      settings: { max_connections: "200", shared_buffers: "64MB", autovacuum: "off" },
    });
    return {
      url: postgres.url,
      async stop() {
        await postgres.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
