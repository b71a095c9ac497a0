/**
 * Starts a runner: the only file here that makes real clocks and reads the command line. The local engine
 * starts it detached; it ends on SIGTERM, and by itself never. With `--only ALLOCATION` it is part of a job
 * (engines/job-engine.ts): it leaves when that allocation has ended, and SIGTERM means that its node is taken away. Of
 * several nodes of one job the first has the runner, as its head, and the others an agent of it (nodes/).
 */
import { randomUUID } from "node:crypto";
import { ftruncateSync, mkdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { realClock as clock } from "../base/real-clock.ts";
import { identify } from "../engines/process-identity.ts";
import { writePrivate } from "../engines/runner-record.ts";
import { TRIAL_ENV } from "../protocol/trial-socket.ts";
import { lockFile } from "../store/file-lock.ts";
import { removeCheckout } from "../store/snapshot.ts";
import { startGuardian } from "./guardian.ts";
import { clearJobStates, jobState, lockOf } from "./job-state.ts";
import { NodeMachine } from "./machine.ts";
import { Agent } from "./nodes/agent.ts";
import { Head } from "./nodes/head.ts";
import { linkKey } from "./nodes/link.ts";
import { findMeeting, publishMeeting } from "./nodes/meeting-point.ts";
import { Runner } from "./runner.ts";
import { ServerClient } from "./server-client.ts";
import { openStateFolder } from "./state-folder.ts";

/** Beyond this the log begins again; it tells about the runner only, never about a trial. */
const LOG_MAX_BYTES = 4 * 1024 * 1024;
const EXIT_LOCKED = 3;
const EXIT_WITHOUT_HEAD = 4;
/** Of an engine's grace: for the server to hear of the end. */
const FLUSH_MS = 3_000;

/** As the engine says it (engines/job-engine.ts). */
function placeInJob(environment: NodeJS.ProcessEnv) {
  const count = (name: string, least: number): number => {
    const value = Number(environment[name] ?? least);
    if (Number.isSafeInteger(value) && value >= least) return value;
    throw new Error(`runner: ${name} is ${environment[name]}; it must be a number from ${least}`);
  };
  const [node, nodes] = [count("CONTRAIL_NODE_RANK", 0), count("CONTRAIL_NODES", 1)];
  if (node >= nodes) throw new Error(`runner: node ${node} of ${nodes}; they count from 0`);
  return { node, nodes, address: environment.CONTRAIL_NODE_ADDRESS || hostname() };
}

let logBytes = 0;
function say(text: string): void {
  const line = `${new Date().toISOString()} ${text}\n`;
  if (logBytes + line.length > LOG_MAX_BYTES) {
    logBytes = 0;
    try {
      ftruncateSync(2, 0); // Works where stderr is the log file; elsewhere somebody else keeps it.
    } catch {}
  }
  logBytes += line.length;
  process.stderr.write(line);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      state: { type: "string" },
      runner: { type: "string" },
      "token-file": { type: "string" },
      "server-file": { type: "string" },
      "repo-root": { type: "string" },
      // Where it is given, ranks are containers, as this file says.
      containers: { type: "string" },
      only: { type: "string" },
      "grace-ms": { type: "string" },
    },
  });
  const need = (name: keyof typeof values): string => {
    const value = values[name];
    if (value === undefined || value === "") throw new Error(`runner: --${name} is missing`);
    return value;
  };
  const runnerId = need("runner");
  const { only } = values;
  const tokenFile = need("token-file");
  const { node, nodes, address } =
    only === undefined ? { node: 0, nodes: 1, address: "" } : placeInJob(process.env);
  const path =
    only === undefined ? need("state") : (values.state ?? jobState(runnerId, tokenFile, node));
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const lock = lockFile(lockOf(path));
  if (lock === undefined) {
    say(`another runner works in ${path}`);
    process.exit(EXIT_LOCKED);
  }
  // Beside everything else: what others left may be large.
  if (only !== undefined) void clearJobStates(clock.nowMs(), say);
  const boot = randomUUID();
  const repoRoot = need("repo-root");
  const state = openStateFolder(path, repoRoot);
  const client = new ServerClient({
    ...{ fetch, clock, runnerId },
    ...{ serverFile: need("server-file"), tokenFile },
  });
  const guardian = startGuardian(`${TRIAL_ENV.mark}=${state.sockets}/`, clock);
  const key = nodes > 1 ? linkKey(readFileSync(tokenFile, "utf8").trim()) : null;
  const engineGraceMs = Number(values["grace-ms"] ?? 0);
  const graceMs = Math.max(0, engineGraceMs - FLUSH_MS);
  const leave = (reason: string) => {
    const why = `the engine takes its node away (${reason})`;
    end(`${why}: its trial saves and goes`, () => runner.leave(graceMs, why));
  };
  const head =
    key === null || node > 0
      ? undefined
      : new Head({
          ...{ clock, nodes, address, key, say, leaving: leave },
          publish: (place) => publishMeeting(client, place),
        });
  const machine = new NodeMachine({
    ...{ clock, client, state, guardian, repoRoot, say, head },
    containers: values.containers ?? null,
    environment: process.env,
    nodeBinary: process.execPath,
    devices: only === undefined ? "ours" : "given",
  });
  if (key !== null && node > 0) {
    const agent = new Agent({
      ...{ clock, client, machine, key, node, say, name: hostname() },
      meeting: () => findMeeting(client),
    });
    return runAgent(agent, { path, graceMs: engineGraceMs });
  }
  let stopping = false;
  const end = (why: string, how: () => Promise<void>): void => {
    if (stopping) return;
    stopping = true;
    say(why);
    how()
      .then(() => head?.close())
      // What could not be told stays for who looks for it.
      .then(() => (only !== undefined && runner.idle ? removeCheckout(path) : undefined))
      .then(
        () => process.exit(0),
        (error: Error) => {
          say(`stopping failed: ${error.stack ?? error.message}`);
          process.exit(1);
        },
      );
  };
  const runner: Runner = new Runner({
    ...{ clock, client, machine, boot, say },
    ...(only === undefined
      ? {}
      : { only: { allocation: only, over: (why) => end(why, () => runner.stop()) } }),
  });
  const stop = (signal: NodeJS.Signals) => {
    if (only === undefined) return end(`${signal}: ending all trials`, () => runner.stop());
    leave(signal);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("SIGHUP", () => {});
  await head?.open();
  await runner.start();
  writePrivate(
    join(path, "runner.json"),
    JSON.stringify({ ...identify(process.pid), runnerId, boot, containers: values.containers }),
  );
  say(`runner ${runnerId} works in ${path} as process ${process.pid}`);
}

/** Ends with 0 where the head has dismissed it; anything else tells the engine that the job has failed here. */
async function runAgent(
  agent: Agent,
  { path, graceMs }: { readonly path: string; readonly graceMs: number },
): Promise<void> {
  const stop = (signal: NodeJS.Signals) => void agent.leave(signal, graceMs);
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("SIGHUP", () => {});
  const over = await agent.run();
  await removeCheckout(path);
  process.exit(over ? 0 : EXIT_WITHOUT_HEAD);
}

process.on("uncaughtException", (error) => {
  // A fault of ours in one place must not end the training of all the others.
  say(`unexpected: ${error.stack ?? error.message}`);
});
process.on("unhandledRejection", (error) => say(`unexpected: ${(error as Error)?.stack ?? error}`));

main().catch((error: Error) => {
  say(`the runner could not start: ${error.stack ?? error.message}`);
  process.exit(1);
});
