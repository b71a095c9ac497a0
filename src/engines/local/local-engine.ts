/**
 * The engine for one machine: the runner is a process of its own beside the server, in its own
 * session, so that training goes on when the server is restarted, upgraded or killed.
 *
 * It starts processes directly, because that is its whole job. What decides (slots.ts, the runner's
 * note) is apart from it and pure.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { availableParallelism, hostname } from "node:os";
import { join } from "node:path";
import { type Clock, sleep } from "../../base/clock.ts";
import {
  type Capacity,
  type Engine,
  type EnsuredRunner,
  type RunnerObservation,
  type RunnerSpec,
  RunnerStartError,
} from "../engine.ts";
import { identify, isRunning } from "../process-identity.ts";
import { readRunnerRecord, runnerFiles, writePrivate } from "../runner-record.ts";
import { askNvidiaSmi } from "./nvidia-smi.ts";
import { chooseSlots } from "./slots.ts";

export interface LocalEngineOptions {
  readonly clock: Clock;
  /** Environment of the server; training inherits it, less what is the server's own. */
  readonly environment: NodeJS.ProcessEnv;
  /** `--slots N`. */
  readonly slots?: number | undefined;
  /** The file that makes the runner's ranks containers; absent = they are processes. */
  readonly containers?: string | undefined;
}

const START_TIMEOUT_MS = 15_000;
/** The runner gives its trials 5 s and the server 2 s; what takes longer is stuck. */
const STOP_TIMEOUT_MS = 12_000;
const LOOK_EVERY_MS = 20;

export function localEngine(options: LocalEngineOptions): Engine {
  return {
    name: "local",
    capacity: () => capacity(options),
    ensureRunner: (spec) => ensureRunner(spec, options),
    observe: observeRunner,
    stopRunner: (dataDir) => stopRunner(dataDir, options.clock),
  };
}

/** @throws CapacityUnknown */
export async function capacity(options: LocalEngineOptions): Promise<Capacity> {
  const choice = chooseSlots({
    gpus: await askNvidiaSmi(options.clock, options.environment),
    cores: availableParallelism(),
    visibleDevices: options.environment.CUDA_VISIBLE_DEVICES,
    override: options.slots,
  });
  return { node: hostname(), ...choice };
}

/**
 * Adopts the living runner of `dataDir`, or starts one and waits until it holds its lock.
 * The token is written anew either way; a runner that is refused reads it again.
 */
export async function ensureRunner(
  spec: RunnerSpec,
  options: LocalEngineOptions,
): Promise<EnsuredRunner> {
  const files = runnerFiles(spec.dataDir);
  mkdirSync(files.state, { recursive: true, mode: 0o700 });
  writePrivate(files.token, spec.token);
  const record = readRunnerRecord(files.record);
  if (record !== undefined && isRunning(record)) {
    const same = record.runnerId === spec.runnerId && record.containers === options.containers;
    if (same) return { pid: record.pid, adopted: true };
    await stopRunner(spec.dataDir, options.clock);
  }
  const pid = startDetached(spec, options);
  const deadline = options.clock.monotonicMs() + START_TIMEOUT_MS;
  for (;;) {
    const started = readRunnerRecord(files.record);
    if (started?.pid === pid && isRunning(started)) return { pid, adopted: false };
    const dead = identify(pid) === undefined;
    if (dead || options.clock.monotonicMs() > deadline) {
      if (!dead) process.kill(pid, "SIGKILL");
      throw new RunnerStartError(
        `runner_not_started: the runner ${dead ? "ended at once" : `was not ready within ${START_TIMEOUT_MS} ms`}. ` +
          `Its last words (${files.log}): ${lastWords(files.log)}`,
      );
    }
    await sleep(options.clock, LOOK_EVERY_MS);
  }
}

function startDetached(spec: RunnerSpec, { environment, containers }: LocalEngineOptions): number {
  const files = runnerFiles(spec.dataDir);
  const log = openSync(files.log, "a", 0o600);
  try {
    const child = spawn(
      spec.nodeBinary,
      [
        join(spec.repoRoot, "src/runner/main.ts"),
        ...["--state", files.state],
        ...["--runner", spec.runnerId],
        ...["--token-file", files.token],
        ...["--server-file", spec.serverFile],
        ...["--repo-root", spec.repoRoot],
        ...(containers === undefined ? [] : ["--containers", containers]),
      ],
      {
        cwd: files.state,
        detached: true,
        stdio: ["ignore", log, log],
        env: environmentForTraining(environment),
      },
    );
    child.on("error", () => {}); // Seen below and by the caller as a process that is not there.
    child.unref();
    if (child.pid === undefined)
      throw new RunnerStartError(
        `runner_not_started: ${spec.nodeBinary} could not be started. Is it a Node binary?`,
      );
    return child.pid;
  } finally {
    closeSync(log);
  }
}

/** Training sees what the person who started the server sees, but none of the server's own secrets. */
export function environmentForTraining(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = { ...environment };
  for (const name of Object.keys(kept))
    if (name.startsWith("CONTRAIL_") || name === "DATABASE_URL" || name.startsWith("PG"))
      delete kept[name];
  return kept;
}

export function observeRunner(dataDir: string): RunnerObservation {
  try {
    return observed(dataDir);
  } catch (error) {
    // Out of files or memory, we see nobody; which proves nothing of anybody.
    return { state: "unknown", why: `it cannot be looked for: ${(error as Error).message}` };
  }
}

function observed(dataDir: string): RunnerObservation {
  const files = runnerFiles(dataDir);
  const record = readRunnerRecord(files.record);
  if (record === undefined)
    return { state: "unknown", why: `${files.record} does not say which process it is` };
  if (isRunning(record)) return { state: "alive", pid: record.pid, boot: record.boot };
  return {
    state: "gone",
    proof: `no process with id ${record.pid} and start time ${record.started} exists on ${hostname()}`,
  };
}

export async function stopRunner(dataDir: string, clock: Clock): Promise<void> {
  const record = readRunnerRecord(runnerFiles(dataDir).record);
  if (record === undefined) return;
  const signal = (name: NodeJS.Signals) => {
    try {
      if (isRunning(record)) process.kill(record.pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };
  signal("SIGTERM");
  const deadline = clock.monotonicMs() + STOP_TIMEOUT_MS;
  while (isRunning(record) && clock.monotonicMs() < deadline) await sleep(clock, LOOK_EVERY_MS);
  signal("SIGKILL");
  while (isRunning(record)) await sleep(clock, LOOK_EVERY_MS);
}

function lastWords(path: string): string {
  try {
    return readFileSync(path, "utf8").trimEnd().slice(-1000) || "(none)";
  } catch {
    return "(none)";
  }
}
