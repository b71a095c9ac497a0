/**
 * The server put together: data folder, database, world, loops, routes. Started by main.ts with a real clock;
 * everything that is opened here is closed by `stop`, in the opposite order.
 */

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { chmod, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type pg from "pg";
import type { Logger } from "pino";
import type { Clock } from "../base/clock.ts";
import type { LeaseLimits } from "../core/lease/lease.ts";
import { searchWantsTicks } from "../core/search/methods.ts";
import type { Engine } from "../engines/engine.ts";
import { deleteExpiredTokens } from "../store/access-store.ts";
import { BlobGate } from "../store/blob-gate.ts";
import { openBlobFolder } from "../store/blobs.ts";
import { type DataFolder, openDataFolder } from "../store/data-folder.ts";
import { type OpenDatabase, openDatabase } from "../store/database.ts";
import { migrate } from "../store/migrate.ts";
import { type RunningPostgres, startPostgres } from "../store/postgres/postgres.ts";
import { retentionStoreIn } from "../store/retention-store.ts";
import type { Database } from "../store/schema.ts";
import { treesIn } from "../store/tree-store.ts";
import { Access } from "./access.ts";
import { drain } from "./drain.ts";
import { type ConnectionLimits, limitConnections } from "./http/connections.ts";
import type { RouteContext } from "./http/context.ts";
import { makeApp } from "./http/routes.ts";
import { DEFAULT_LEASE } from "./leases.ts";
import { loadWorld, reloadExperiments } from "./load.ts";
import { DecisionLoop } from "./loops/decision-loop.ts";
import { LeaseLoop } from "./loops/lease-loop.ts";
import { startRunnerLoop } from "./loops/runner-loop.ts";
import { startTickLoop } from "./loops/tick-loop.ts";
import { OrderWaiters } from "./orders.ts";
import { changesOfStart, stopped } from "./own-changes.ts";
import { PageFiles } from "./page-files.ts";
import { PostgresLedger } from "./postgres-ledger.ts";
import { recordIn } from "./recorded.ts";
import { RetentionKeeper } from "./retention/keeper.ts";
import { Subscribers } from "./subscribers.ts";
import { findLive } from "./sync.ts";
import { toLaunchSettings } from "./translate.ts";
import { LOCAL_RUNNER, needsTicks, World } from "./world.ts";

export interface ServerOptions {
  readonly dataDir: string;
  readonly host: string;
  /** 0 = any that is free. */
  readonly port: number;
  /** Another PostgreSQL than our own. */
  readonly databaseUrl: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly engine: Engine;
  readonly version: string;
  /** Where the built web page lies; absent = where `npm run build` puts it. */
  readonly pageDir?: string;
  /** Name of the first user. */
  readonly user: string;
  /** Replaced where a test cannot wait for the real ones. */
  readonly connectionLimits?: ConnectionLimits;
  /** How long a runner may not be heard; absent = the defaults. */
  readonly lease?: LeaseLimits;
  /** Called when someone asks over HTTP, or PostgreSQL is gone: end the process in good order. */
  readonly onStopWanted: (trials: "stop" | "keep", why: string) => void;
}

export interface RunningServer {
  readonly url: string;
  readonly oneTimeToken: string;
  /** @param why for the log of changes */
  stop(trials: "stop" | "keep", why?: string): Promise<void>;
}

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");
/** One writer per database, wherever it runs; "writer" as ASCII. */
const WRITER_LOCK = "131311217108338";

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const closers: (() => Promise<void> | void)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.reverse())
      await Promise.resolve(close()).catch((error) =>
        options.log.error({ err: error }, "while stopping"),
      );
    closers.length = 0;
  };
  try {
    return await start(options, closers, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function start(
  options: ServerOptions,
  closers: (() => Promise<void> | void)[],
  closeAll: () => Promise<void>,
): Promise<RunningServer> {
  const { clock, log } = options;
  const startedAtMs = clock.nowMs();
  const dataDir = resolve(options.dataDir);
  const folder = openDataFolder(dataDir, { startedAtMs });
  closers.push(() => folder.release());

  const capacity = await options.engine.capacity();
  log.info({ slots: capacity.slots.length }, `${capacity.slots.length} slots: ${capacity.reason}`);
  const database = await openStore(options, folder, closers);
  const { pool, readPool } = database;
  const world = new World(
    capacity.slots.map(({ id, kind, name, runner = LOCAL_RUNNER }) => ({
      ...{ id, kind, runner, node: capacity.node, description: name },
    })),
    startedAtMs,
  );
  const ledger = new PostgresLedger(pool);
  // Before anything is loaded: a commit of the server before may still be under way.
  const tip = await ledger.takeOver();
  await loadWorld(world, ledger);

  let state: "starting" | "ready" | "stopping" = "starting";
  const waiters = new OrderWaiters();
  const subscribers = new Subscribers();
  const loop = new DecisionLoop({
    world,
    ledger,
    tip,
    nowMs: () => clock.nowMs(),
    reload: (ids) => reloadExperiments(world, ledger, ids),
    onCommitted: ({ runners, trials, experiments, retention: superfluous }) => {
      waiters.wake(runners);
      retention.mark(superfluous);
      subscribers.committed(experiments, trials);
    },
    onFailure: (what, error) => {
      leases.noteTrouble();
      log.error({ err: error }, `${what} failed`);
    },
  });
  const runnerDir = (runner: string): string =>
    runner === LOCAL_RUNNER ? dataDir : join(dataDir, "runners", runner);
  const leases: LeaseLoop = new LeaseLoop({
    ...{ loop, clock, limits: options.lease ?? DEFAULT_LEASE },
    observe: (runner) => options.engine.observe(runnerDir(runner)),
  });
  const record = recordIn(loop);
  const access = new Access({
    pool,
    record,
    secret: await secretOf(dataDir),
    nowMs: () => clock.nowMs(),
    allocationLives: (id) => findLive(world, id) !== undefined,
  });
  const blobs = await openBlobFolder(folder.blobs);
  const gate = new BlobGate();
  const trees = treesIn(pool);
  const retention = new RetentionKeeper({
    ...{ loop, blobs, gate, trees, clock, log },
    store: retentionStoreIn(pool, readPool),
  });
  const context: RouteContext = {
    world,
    loop,
    pool,
    readPool,
    ...{ blobs, gate, trees, retention },
    access,
    clock,
    orders: {
      world,
      launchSettings: toLaunchSettings,
      allocationToken: (id) => access.allocationToken(id),
    },
    waiters,
    leases,
    subscribers,
    page: new PageFiles(options.pageDir ?? join(REPOSITORY, "web", "dist")),
    dataDir,
    postgres: options.databaseUrl === undefined ? "embedded" : "external",
    version: options.version,
    startedAtMs,
    shutdown: (trials) => options.onStopWanted(trials, "asked over HTTP"),
  };
  const app = await makeApp(context, log, () => state);
  limitConnections(app.server, {
    clock,
    ...(options.connectionLimits && { limits: options.connectionLimits }),
  });
  const url = await app.listen({ host: options.host, port: options.port });
  closers.push(async () => {
    waiters.wakeAll();
    app.server.closeAllConnections();
    await app.close();
  });
  folder.writeNote({ url, version: options.version });

  const runnerIds = [...new Set(world.slots.map(({ runner }) => runner))];
  const runnerLoops = await Promise.all(
    runnerIds.map(async (runnerId) => {
      const runnerLoop = await startRunnerLoop({
        engine: options.engine,
        clock,
        log,
        spec: {
          ...{ runnerId, dataDir: runnerDir(runnerId), token: access.runnerToken(runnerId) },
          serverFile: join(dataDir, "server.json"),
          nodeBinary: process.execPath,
          repoRoot: REPOSITORY,
        },
        onReplaced: (proof) => {
          const about = { actor: "contrail", subject: `runner ${runnerId}`, what: "replaced" };
          const change = { ...about, cause: `the one before is gone: ${proof}` };
          void record("note a new runner", async () => ({ value: null, changes: [change] })).catch(
            (error) => log.error({ err: error }, "a new runner could not be written to the log"),
          );
        },
      });
      return { id: runnerId, ...runnerLoop };
    }),
  );
  leases.start();
  const stopTicks = startTickLoop(loop, clock, (live) =>
    needsTicks(live.x, searchWantsTicks(live.x.spec.search)),
  );
  await record("start", async (client, at) => {
    const slots = capacity.slots.map((slot) => slot.id);
    const postgres = context.postgres;
    const start = { version: options.version, slots, postgres, runners: runnerLoops };
    const changes = await changesOfStart(client, start);
    for (const { id, name, user } of await deleteExpiredTokens(client, at))
      changes.push({
        ...{ actor: "contrail", subject: `token ${id}`, what: "expired" },
        cause: `"${name}" of ${user} was over and is forgotten`,
      });
    return { value: null, changes };
  });
  // Whatever waits in the queue may start now.
  await loop.submit({
    name: "first plan",
    run: (_world, turn) => {
      turn.slotsChanged.value = true;
    },
  });
  await retention.start();
  state = "ready";

  const stop = async (trials: "stop" | "keep", why = "asked to stop"): Promise<void> => {
    if (state === "stopping") return;
    state = "stopping";
    log.info({ trials }, "stopping");
    for (const runnerLoop of runnerLoops) runnerLoop.stop();
    if (trials === "stop") {
      await drain(loop, clock);
      await Promise.all(runnerIds.map((id) => options.engine.stopRunner(runnerDir(id))));
    }
    leases.stop();
    stopTicks();
    await retention.stop();
    await record("stop", async () => ({
      value: null,
      changes: [stopped(world, trials, why)],
    })).catch((error) =>
      log.error({ err: error }, "the stop could not be written to the log of changes"),
    );
    await loop.stop();
    await closeAll();
    log.info({}, "stopped");
  };
  const { token: oneTimeToken } = await access.makeOneTimeToken(options.user);
  return { url, oneTimeToken, stop };
}

async function openStore(
  options: ServerOptions,
  folder: DataFolder,
  closers: (() => Promise<void> | void)[],
): Promise<OpenDatabase<Database>> {
  const { log } = options;
  let embedded: RunningPostgres | undefined;
  if (options.databaseUrl === undefined) {
    log.info({}, "starting PostgreSQL");
    const postgres = await startPostgres({ dataDir: folder.path, log });
    embedded = postgres;
    closers.push(() => postgres.stop());
    void postgres.exited.then((exit) => {
      if (!exit.expected)
        options.onStopWanted("keep", `PostgreSQL ended (code ${exit.code}, signal ${exit.signal})`);
    });
  }
  const database = await openDatabase<Database>({ url: options.databaseUrl, embedded, log });
  closers.push(() => database.close());
  await lockWriter(database.pool, options, closers);
  const applied = await migrate(database.pool, { log });
  if (applied.length > 0)
    log.info(
      { migrations: applied },
      `applied ${applied.length} migration${applied.length === 1 ? "" : "s"}`,
    );
  return database;
}

/** Two servers on one database would each believe their own memory: the second one is refused. */
async function lockWriter(
  pool: pg.Pool,
  options: ServerOptions,
  closers: (() => Promise<void> | void)[],
): Promise<void> {
  const client = await pool.connect();
  const { rows } = await client.query<{ locked: boolean }>(
    "select pg_try_advisory_lock($1) as locked",
    [WRITER_LOCK],
  );
  if (!rows[0]?.locked) {
    client.release();
    throw new Error(
      "another Contrail server writes to this database; stop it first, or name another in DATABASE_URL",
    );
  }
  let closing = false;
  client.on("error", (error) => {
    if (!closing)
      options.onStopWanted(
        "keep",
        `the connection that holds the writer's lock was lost: ${error.message}`,
      );
  });
  closers.push(() => {
    closing = true;
    client.release(true);
  });
}

/** 32 random bytes that the tokens of runners and allocations are signed with; made once. */
async function secretOf(dataDir: string): Promise<Buffer> {
  const path = join(dataDir, "secret");
  if (!existsSync(path)) {
    await writeFile(`${path}.next`, randomBytes(32), { mode: 0o600 });
    await chmod(`${path}.next`, 0o600);
    await rename(`${path}.next`, path);
  }
  const secret = readFileSync(path);
  if (secret.length !== 32)
    throw new Error(
      `${path} has ${secret.length} bytes; it must have 32. Restore it, or remove it to have a new one (running trials then lose touch).`,
    );
  return secret;
}
