/**
 * F2: the server is killed while it starts: before and after each statement of the migrations and each other durable
 * step of a first start, and at moments spread over a first and a later start with its own PostgreSQL. Then it is
 * started again. (Nothing here compacts: saved states of searches are replaced inside a turn's own transaction, and
 * the rest is PostgreSQL's.)
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { withDatabase } from "../../bench/database.ts";
import { readMigrations } from "../../src/store/migrate.ts";
import { dumpSchema } from "../../src/store/schema-dump.ts";
import { scratchDatabase } from "../../src/store/test-scratch-database.ts";
import { CrashingServer } from "./crashing-server.ts";
import {
  all,
  eachOf,
  everyNth,
  type Faults,
  type Finding,
  newFolder,
  none,
  type Row,
  within,
} from "./row.ts";

export const startKilled: Row = {
  name: "F2",
  fault: "kill during start and migration",
  run: async (faults) => [...(await atEachPoint(faults)), ...(await atMoments(faults))],
};

async function atEachPoint(faults: Faults): Promise<Finding[]> {
  const clean = await begin(faults, undefined);
  const count = clean.points.length;
  const statements = clean.points.filter((point) => point.includes("of a migration")).length;
  const points = everyNth(
    Array.from({ length: count }, (_, i) => i + 1),
    faults.quick ? 16 : 1,
  );
  faults.say(`${count} points of a first start, ${statements} of them statements of migrations`);
  const wrong: string[] = [];
  let died = 0;
  let started = 0;
  await eachOf(faults, "points", points, async (at) => {
    const where = `point ${at} (${clean.points[at - 1]})`;
    try {
      const begun = await begin(faults, at);
      if (begun.died) died += 1;
      started += 1;
      if (begun.applied !== clean.applied) wrong.push(`${where}: applied ${begun.applied}`);
      if (begun.schema !== clean.schema) wrong.push(`${where}: another schema`);
    } catch (error) {
      wrong.push(`${where}: ${(error as Error).message}`);
    }
  });
  return [
    all(`points of a first start at which it died, of ${count}`, died, points.length),
    all("started again after that", started, points.length),
    none("steps applied twice, left out, or another schema", wrong),
  ];
}

interface Begun {
  readonly points: readonly string[];
  readonly died: boolean;
  /** Migrations in the order in which the database says that they were applied. */
  readonly applied: string;
  readonly schema: string;
}

/** A first start on an empty database, which dies at a point; then a second one. */
async function begin(faults: Faults, at: number | undefined): Promise<Begun> {
  const dataDir = await newFolder();
  await using database = await scratchDatabase(await faults.database(), { migrations: null });
  const server = new CrashingServer({ dataDir, databaseUrl: database.url, slots: 1 });
  const list = join(dataDir, "points");
  try {
    const ready = await server.start(at === undefined ? { list } : { at });
    const died = at !== undefined && (!ready || (await server.diesByItself()));
    await server.gone();
    if (at !== undefined) {
      await server.start();
      await server.gone();
    }
    const { rows } = await database.pool.query(
      "select name from schema_migrations order by number",
    );
    const points = at === undefined ? (await readFile(list, "utf8")).trim().split("\n") : [];
    return {
      ...{ points, died, schema: await dumpSchema(database.pool) },
      applied: rows.map(({ name }) => name).join(" "),
    };
  } finally {
    await server.gone();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** With its own PostgreSQL: the making of the cluster, its start, its recovery. */
async function atMoments(faults: Faults): Promise<Finding[]> {
  const migrations = (await readMigrations()).map(({ name }) => name).join(" ");
  const stepMs = faults.quick ? 700 : 50;
  const moments = Array.from({ length: faults.quick ? 3 : 60 }, (_, i) => (i + 1) * stepMs);
  const startsMs: number[] = [];
  const wrong: string[] = [];
  let done = 0;
  await eachOf(faults, "moments", moments, async (afterMs) => {
    const dataDir = await newFolder();
    try {
      // First an empty folder, then one that a killed server has left.
      for (const which of ["first", "second"]) {
        const server = new CrashingServer({ dataDir, slots: 1 });
        await server.killWhileStarting(afterMs);
        done += 1;
        faults.say(`${which} start killed after ${afterMs} ms`);
      }
      const server = new CrashingServer({ dataDir, slots: 1 });
      await server.start();
      startsMs.push(...server.startsMs);
      await withDatabase(dataDir, async (client) => {
        const { rows } = await client.query("select name from schema_migrations order by number");
        const applied = rows.map(({ name }) => name).join(" ");
        if (applied !== migrations) wrong.push(`after ${afterMs} ms: applied ${applied}`);
      });
      await server.gone();
    } catch (error) {
      wrong.push(`after ${afterMs} ms: ${(error as Error).message}`);
    } finally {
      await wait(200);
      await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    }
  });
  return [
    all("kills at moments of a start with its own PostgreSQL", done, moments.length * 2),
    all("started again after that", startsMs.length, moments.length),
    within("ready", startsMs, 60),
    none("migrations applied twice or left out, or a start refused", wrong),
  ];
}
