/**
 * `node src/server/main.ts --data-dir DIR [--host H] [--port P] [--task-port P] [--task-domain D] [--slots N]
 * [--pools FILE] [--runner-lease-ms N] [--runner-lost-ms N]`: the server as a process.
 * Its log goes to stderr, one JSON object a line; on stdout it says once that it is ready.
 */
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import pino from "pino";
import { realClock as clock } from "../base/real-clock.ts";
import type { LeaseLimits } from "../core/lease/lease.ts";
import { formatIssue } from "../protocol/config/issue.ts";
import { readPools } from "../protocol/pools/pools.ts";
import { DEFAULT_LEASE, leaseLimits } from "./leases.ts";
import { LOCAL_POOL, openEngine } from "./pools/open-engine.ts";
import type { ServerPool } from "./pools/server-pool.ts";
import { type RunningServer, startServer } from "./server.ts";

const DEFAULT_PORT = 4747;
const LEASE_MS_MAX = 7 * 24 * 3_600_000;
const log = pino(
  { level: process.env.CONTRAIL_LOG_LEVEL ?? "info" },
  pino.destination({ dest: 2, sync: true }),
);

function fail(message: string, error?: unknown): never {
  log.fatal(error === undefined ? {} : { err: error }, message);
  process.exit(1);
}

function parsed() {
  try {
    return parseArgs({
      options: {
        "data-dir": { type: "string" },
        host: { type: "string", default: "127.0.0.1" },
        port: { type: "string", default: String(DEFAULT_PORT) },
        "task-port": { type: "string" },
        "task-domain": { type: "string" },
        slots: { type: "string" },
        pools: { type: "string" },
        "runner-lease-ms": { type: "string" },
        "runner-lost-ms": { type: "string" },
        "allow-remote": { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    // What parseArgs says of a wrong option is said well; a stack would add nothing.
    return fail((error as Error).message);
  }
}

function readArguments() {
  const values = parsed();
  const dataDir = values["data-dir"];
  if (dataDir === undefined) fail("--data-dir is missing: the folder in which everything is kept");
  const port = whole("--port", values.port, 0, 65535);
  const taskText = values["task-port"];
  const taskPort = taskText === undefined ? undefined : whole("--task-port", taskText, 0, 65535);
  const slots = values.slots === undefined ? undefined : whole("--slots", values.slots, 1, 4096);
  const lease = readLease(values["runner-lease-ms"], values["runner-lost-ms"]);
  const loopback = ["127.0.0.1", "::1", "localhost"].includes(values.host);
  if (!loopback && !values["allow-remote"])
    fail(
      `--host ${values.host} can be reached from other machines, and tokens would cross the network in the clear. ` +
        "Put a proxy with TLS before a loopback address, or add --allow-remote to do it all the same.",
    );
  if (!loopback)
    log.warn(
      { host: values.host },
      "listening beyond loopback without TLS, as asked by --allow-remote",
    );
  const { host, pools } = values;
  return { dataDir, host, port, taskPort, taskDomain: values["task-domain"], slots, lease, pools };
}

/** As `--pools FILE` or `pools.yaml` in the data folder names them; else this machine alone. */
async function poolsOf(args: ReturnType<typeof readArguments>): Promise<readonly ServerPool[]> {
  const path = args.pools ?? join(args.dataDir, "pools.yaml");
  const means = { clock, environment: process.env, slots: args.slots };
  if (args.pools === undefined && !existsSync(path)) return [await openEngine(LOCAL_POOL, means)];
  const text = readFileSync(path, "utf8");
  const reading = readPools(text);
  if (!reading.ok) {
    const faults = reading.issues.map((issue) => formatIssue(issue, { file: path }));
    throw new Error(`the pools cannot be read, so nothing was started: ${faults.join("; ")}`);
  }
  return Promise.all(reading.pools.map((pool) => openEngine(pool, means)));
}

function readLease(lease: string | undefined, lost: string | undefined): LeaseLimits {
  const leaseMs =
    lease === undefined
      ? DEFAULT_LEASE.leaseMs
      : whole("--runner-lease-ms", lease, 100, LEASE_MS_MAX);
  if (lost === undefined) return leaseLimits(leaseMs);
  return leaseLimits(leaseMs, whole("--runner-lost-ms", lost, leaseMs, 10 * LEASE_MS_MAX));
}

function whole(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    fail(`${name} is ${text}; it must be a whole number from ${min} to ${max}`);
  return value;
}

const { version } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as {
  version: string;
};
const args = readArguments();

let server: RunningServer | undefined;
let stopping: Promise<void> | undefined;
function stop(trials: "stop" | "keep", why: string, exitCode = 0): void {
  if (stopping) return;
  log.info({ why, trials }, "asked to stop");
  stopping = (server?.stop(trials, why) ?? Promise.resolve()).then(
    () => process.exit(exitCode),
    (error) => fail("could not stop in good order", error),
  );
}
// Training goes on without the server and is adopted by the next one.
process.on("SIGTERM", () => stop("keep", "SIGTERM"));
process.on("SIGINT", () => stop("keep", "SIGINT"));
process.on("unhandledRejection", (error) => fail("a promise failed that nobody waited for", error));
process.on("uncaughtException", (error) => fail("an error that nobody caught", error));

server = await startServer({
  dataDir: args.dataDir,
  host: args.host,
  port: args.port,
  ...{ taskPort: args.taskPort, taskDomain: args.taskDomain },
  databaseUrl: process.env.DATABASE_URL || undefined,
  clock,
  log,
  lease: args.lease,
  environment: process.env,
  pools: await poolsOf(args).catch((error: Error) => fail(error.message)),
  version,
  user: userInfo().username,
  onStopWanted: (trials, why) =>
    setImmediate(() => stop(trials, why, why.startsWith("asked") ? 0 : 1)),
}).catch((error) => fail(error instanceof Error ? error.message : "could not start", error));

process.stdout.write(
  `${JSON.stringify({ ready: true, url: server.url, pid: process.pid, version, one_time_token: server.oneTimeToken })}\n`,
);
