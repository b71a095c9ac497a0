/**
 * The server put together: data folder, database, world, loops, routes. Started by main.ts with a real clock;
 * everything that is opened here is closed by `stop`, in the opposite order.
 */

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { chmod, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type pg from "pg";
import type { Logger } from "pino";
import { type Clock, sleep } from "../base/clock.ts";
import type { LeaseLimits } from "../core/lease/lease.ts";
import { searchWantsTicks } from "../core/search/methods.ts";
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
import { type ConnectionLimits, limitConnections, newCrowd } from "./http/connections.ts";
import type { RouteContext } from "./http/context.ts";
import { OpenConnections } from "./http/open-connections.ts";
import { readRecord } from "./http/record-routes.ts";
import { makeApp } from "./http/routes.ts";
import { abandonUnfinished } from "./import/unfinished.ts";
import { DEFAULT_LEASE } from "./leases.ts";
import { loadWorld, reloadExperiments } from "./load.ts";
import { DecisionLoop } from "./loops/decision-loop.ts";
import { LeaseLoop } from "./loops/lease-loop.ts";
import { startTickLoop } from "./loops/tick-loop.ts";
import { warnOfMissingPools } from "./missing-pools.ts";
import { OrderWaiters } from "./orders.ts";
import { changesOfStart, stopped } from "./own-changes.ts";
import { PageFiles } from "./page-files.ts";
import { Nodes } from "./pools/nodes.ts";
import { openPool, type ServerPool } from "./pools/server-pool.ts";
import { PostgresLedger } from "./postgres-ledger.ts";
import { recordIn } from "./recorded.ts";
import { Judge } from "./replay/judge.ts";
import { VerdictBook } from "./replay/verdict-book.ts";
import { REPOSITORY } from "./repository.ts";
import { RetentionKeeper } from "./retention/keeper.ts";
import { SealedLogins } from "./sealed-logins.ts";
import { Subscribers } from "./subscribers.ts";
import { findLive } from "./sync.ts";
import { servesNow } from "./task-proxy/live-task.ts";
import { startTaskPages } from "./task-proxy/start.ts";
import { Tunnels } from "./task-proxy/tunnels.ts";
import { toLaunchSettings } from "./translate.ts";
import { needsTicks, World } from "./world.ts";

export interface ServerOptions {
  readonly dataDir: string;
  readonly host: string;
  /** 0 = any that is free. */
  readonly port: number;
  /** Of the pages of tasks; absent = the one after `port`, or any where that is 0 or taken. */
  readonly taskPort?: number | undefined;
  /** Below which each task has a name; absent = localhost. */
  readonly taskDomain?: string | undefined;
  /** Another PostgreSQL than our own. */
  readonly databaseUrl: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** The first is that of experiments that name none. */
  readonly pools: readonly ServerPool[];
  readonly version: string;
  /** Of this process; absent = none of it. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Where the built web page lies; absent = where `npm run build` puts it. */
  readonly pageDir?: string;
  /** Name of the first user. */
  readonly user: string;
  /** Replaced where a test cannot wait for the real ones. */
  readonly connectionLimits?: ConnectionLimits;
  /** For how long a deleted experiment can be restored; absent = 7 days. Replaced where a test cannot wait for it. */
  readonly restorableMs?: number;
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

/** One writer per database, wherever it runs; "writer" as ASCII. */
const WRITER_LOCK = "131311217108338";
const WRITER_GONE_MS = 3_000;

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

  const pools = await Promise.all(options.pools.map((pool) => openPool(pool, { dataDir, log })));
  const database = await openStore(options, folder, closers);
  const { pool, readPool } = database;
  const world = new World(
    pools.flatMap(({ slots }) => slots),
    startedAtMs,
    pools.map(({ info }) => info),
  );
  const ledger = new PostgresLedger(pool);
  // Before anything is loaded: a commit of the server before may still be under way.
  const tip = await ledger.takeOver();
  await loadWorld(world, ledger);
  warnOfMissingPools(world, log);

  let listening = "";
  let state: "starting" | "ready" | "stopping" = "starting";
  const waiters = new OrderWaiters();
  const subscribers = new Subscribers();
  const verdicts = new VerdictBook();
  await verdicts.load(readPool);
  const loop = new DecisionLoop({
    world,
    ledger,
    tip,
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    reload: async (ids) => {
      await reloadExperiments(world, ledger, ids);
      // One whose commit came through although nobody could say so.
      await verdicts.load(readPool);
    },
    onCommitted: ({ runners, trials, experiments, retention: superfluous }) => {
      waiters.wake(runners);
      nodes.wake(runners);
      retention.mark(superfluous);
      judge.committed(experiments);
      subscribers.committed(experiments, trials);
    },
    onFailure: (what, error) => {
      leases.noteTrouble();
      log.error({ err: error }, `${what} failed`);
    },
  });
  const secret = await secretOf(dataDir);
  const nodes: Nodes = new Nodes(pools, {
    ...{ world, loop, clock, log, dataDir, pool, secret },
    environment: options.environment ?? {},
    runnerToken: (runner) => access.runnerToken(runner),
    url: () => listening,
    record: (what, change) => record(what, change),
  });
  const leases: LeaseLoop = new LeaseLoop({
    ...{ loop, clock, limits: options.lease ?? DEFAULT_LEASE },
    observe: (runner) => nodes.observe(runner),
    cannotSpeak: (runner) => nodes.waits(runner),
  });
  const record = recordIn(loop);
  const logins = new SealedLogins(join(dataDir, "logins"), secret);
  const access = new Access({
    ...{ pool, record, secret, log },
    nowMs: () => clock.nowMs(),
    allocationLives: (id) => findLive(world, id) !== undefined,
  });
  const blobs = await openBlobFolder(folder.blobs);
  const gate = new BlobGate();
  const trees = treesIn(pool);
  const retention = new RetentionKeeper({
    ...{ loop, blobs, gate, trees, clock, log },
    store: retentionStoreIn(pool, readPool),
    ...(options.restorableMs === undefined ? {} : { restorableMs: options.restorableMs }),
  });
  const tunnels = new Tunnels(clock);
  const connections = new OpenConnections({
    ...{ clock, log },
    tokenHolds: (id) => access.tokenHolds(id),
    allocationServes: (id) => servesNow(world, id),
  });
  closers.push(() => connections.close());
  const crowd = newCrowd();
  const { taskPort, taskDomain } = options;
  const tasks = await startTaskPages(
    { host: options.host, appPort: options.port, port: taskPort, domain: taskDomain },
    {
      ...{ world, tunnels, connections, crowd, secret, clock, log },
      ...(options.connectionLimits && { limits: options.connectionLimits }),
    },
  );
  closers.push(() => tasks.close());
  subscribers.watchAll((experiments) => tasks.changed(experiments));
  const judge = new Judge({
    ...{ loop, readPool, blobs, clock, log },
    book: verdicts,
    record: (trial) => readRecord({ readPool, blobs }, trial),
  });
  const context: RouteContext = {
    world,
    loop,
    ledger,
    pool,
    readPool,
    ...{ blobs, gate, trees, retention, verdicts, judge, nodes },
    access,
    logins,
    clock,
    orders: {
      world,
      launchSettings: (config) => toLaunchSettings(config, (sealed) => logins.open(sealed)),
      allocationToken: (id) => access.allocationToken(id),
    },
    waiters,
    leases,
    ...{ subscribers, tunnels, tasks, connections },
    page: new PageFiles(options.pageDir ?? join(REPOSITORY, "web", "dist")),
    dataDir,
    environment: options.environment ?? {},
    postgres: options.databaseUrl === undefined ? "embedded" : "external",
    version: options.version,
    startedAtMs,
    shutdown: (trials) => options.onStopWanted(trials, "asked over HTTP"),
  };
  const app = await makeApp(context, log, () => state);
  limitConnections(app.server, {
    ...{ clock, crowd },
    ...(options.connectionLimits && { limits: options.connectionLimits }),
  });
  const url = await app.listen({ host: options.host, port: options.port });
  listening = url;
  closers.push(async () => {
    waiters.wakeAll();
    tunnels.close();
    app.server.closeAllConnections();
    await app.close();
  });
  folder.writeNote({ url, version: options.version });

  const runners = await nodes.start();
  closers.push(() => nodes.close());
  leases.start();
  const stopTicks = startTickLoop(loop, clock, (live) =>
    needsTicks(live.x, searchWantsTicks(live.x.spec.search)),
  );
  await record("start", async (client, at) => {
    const slots = world.slots.map((slot) => slot.id);
    const postgres = context.postgres;
    const start = { version: options.version, slots, postgres, runners };
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
  await abandonUnfinished(pool, loop);
  await retention.start();
  await judge.start();
  state = "ready";

  const stop = async (trials: "stop" | "keep", why = "asked to stop"): Promise<void> => {
    if (state === "stopping") return;
    state = "stopping";
    log.info({ trials }, "stopping");
    nodes.stopWatching();
    if (trials === "stop") {
      await drain(loop, clock);
      await nodes.stopRunners();
    }
    leases.stop();
    stopTicks();
    await judge.stop();
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
  if (!(await locked(client, options))) {
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
  closers.push(async () => {
    closing = true;
    // The database notices only in a while that a connection is gone, and who starts next would be refused.
    await client.query("select pg_advisory_unlock($1)", [WRITER_LOCK]).catch(() => undefined);
    client.release(true);
  });
}

/** Tried for a while: of a server that was killed, the database may not have noticed yet. */
async function locked(client: pg.PoolClient, { clock, log }: ServerOptions): Promise<boolean> {
  const untilMs = clock.monotonicMs() + WRITER_GONE_MS;
  for (let tries = 1; ; tries++) {
    const { rows } = await client.query<{ locked: boolean }>(
      "select pg_try_advisory_lock($1) as locked",
      [WRITER_LOCK],
    );
    if (rows[0]?.locked) return true;
    if (clock.monotonicMs() >= untilMs) return false;
    if (tries === 1)
      log.info(
        `another server writes to this database; waiting ${WRITER_GONE_MS / 1000} s for it to go`,
      );
    await sleep(clock, 100);
  }
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
