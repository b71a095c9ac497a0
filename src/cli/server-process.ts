/**
 * Starts the server on this machine and finds one that runs. Starting processes is this file's whole job, so it uses
 * node:child_process itself; `contrail up` and the demo share it. It is stopped in server-stop.ts.
 *
 * The server runs detached with its log in the data folder, and says once on its stdout that it is
 * ready; it leaves `server.json` there for whoever comes later. A pid file that is merely trusted was
 * refused: before a pid is believed, the server must answer at its address or the process be seen to
 * run our program.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../base/clock.ts";
import type { Health } from "../protocol/api.ts";
import { Client } from "../sdk/client.ts";
import { pause } from "../sdk/sse.ts";
import { CliError, EXIT } from "./exit-code.ts";
import { lastStep, lastWords } from "./server-log.ts";

export interface World {
  readonly clock: Clock;
  readonly env: { readonly [name: string]: string | undefined };
  readonly newKey: () => string;
}

export interface StartOptions {
  readonly dataDir: string;
  readonly host?: string | undefined;
  /** 0 = any that is free. */
  readonly port?: number | undefined;
  /** Of the pages of notebooks; absent = the server's choice. */
  readonly taskPort?: number | undefined;
  readonly taskDomain?: string | undefined;
  readonly slots?: number | undefined;
  /** Absolute. */
  readonly pools?: string | undefined;
  /** Of runners: absent = the server's defaults. */
  readonly leaseMs?: number;
  readonly lostMs?: number;
  /** Listen beyond loopback although there is no TLS. */
  readonly allowRemote?: boolean;
  /** The server lives and dies with this process, and its log goes to stderr. */
  readonly foreground?: boolean;
  /** Told what the server is doing while it starts. */
  readonly onStep?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface StartedServer {
  readonly url: string;
  readonly pid: number;
  readonly version: string;
  /** Good for one sign-in; null when the server was running already. */
  readonly oneTimeToken: string | null;
  /** False when it was running already. */
  readonly started: boolean;
  /** Resolves with the exit code when a server in the foreground ends. */
  readonly ended: Promise<number>;
}

const READY_MS_MAX = 120_000;
const HEALTH_MS = 5_000;
/** What a server may take to end that was told to while it was starting. */
const START_END_MS_MAX = 20_000;

const SERVER_MAIN = fileURLToPath(new URL("../server/main.ts", import.meta.url));

/** CONTRAIL_DATA_DIR; for root /var/lib/contrail; for others ~/.local/share/contrail. */
export function defaultDataDir(env: World["env"]): string {
  if (env.CONTRAIL_DATA_DIR) return resolve(env.CONTRAIL_DATA_DIR);
  if (process.getuid?.() === 0) return "/var/lib/contrail";
  return join(env.XDG_DATA_HOME || join(env.HOME || homedir(), ".local", "share"), "contrail");
}

export const serverLogPath = (dataDir: string): string => join(dataDir, "server.log");

export interface Note {
  readonly pid: number;
  readonly url: string | undefined;
}

/** What the server left in its folder. @throws where this user may not look: that is no sign that there is none */
export function readNote(dataDir: string): Note | undefined {
  try {
    const { pid, url } = JSON.parse(readFileSync(join(dataDir, "server.json"), "utf8"));
    if (!Number.isInteger(pid) || pid < 2) return undefined;
    return { pid, url: typeof url === "string" ? url : undefined };
  } catch (error) {
    if (/^E(?:ACCES|PERM)$/.test((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return undefined;
  }
}

export interface FoundServer {
  readonly pid: number;
  readonly url: string;
  readonly version: string;
  readonly status: Health["status"];
}

/** The server that holds `dataDir` and answers, if there is one. */
export async function findRunning(dataDir: string, world: World): Promise<FoundServer | undefined> {
  const note = readNote(dataDir);
  if (note?.url === undefined || !isServerProcess(note.pid)) return undefined;
  const health = await askHealth(note.url, world);
  return health === undefined ? undefined : { url: note.url, pid: note.pid, ...health };
}

async function askHealth(url: string, world: World) {
  const { clock, newKey } = world;
  const client = new Client({ url, clock, newKey, attemptsMax: 1, timeoutMs: HEALTH_MS });
  return await client.health().catch(() => undefined);
}

/** Starts the server, or finds the one that runs. @throws CliError with the end of its log */
export async function startServer(options: StartOptions, world: World): Promise<StartedServer> {
  const dataDir = resolve(options.dataDir);
  const running = await findReady(dataDir, world, options.signal);
  if (running !== undefined) return running;
  if (!(await portIsFree(options.host ?? "127.0.0.1", options.port ?? 0))) {
    // Two `up` at once: the other one may have it by now.
    const other = await findReady(dataDir, world, options.signal);
    if (other !== undefined) return other;
    throw portTaken(options.port ?? 0);
  }
  makeFolder(dataDir, process.getuid?.() === 0 ? 0o711 : 0o700);
  const logPath = serverLogPath(dataDir);
  const logFd = options.foreground === true ? undefined : openSync(logPath, "a", 0o600);
  const logStart = logFd === undefined ? 0 : statSync(logPath).size;
  let child: ChildProcess;
  try {
    child = launch({ ...options, dataDir }, world, logFd);
  } finally {
    if (logFd !== undefined) closeSync(logFd);
  }
  // In the foreground it does not outlive us, however we end.
  if (options.foreground === true) process.once("exit", () => child.kill("SIGTERM"));
  const ended = new Promise<number>((done) => {
    child.once("error", () => done(EXIT.failed));
    child.once("exit", (code) => done(code ?? EXIT.failed));
  });
  try {
    const ready = await readyLine(child, ended, options, world, () => lastStep(logPath, logStart));
    child.stdout?.destroy();
    if (options.foreground !== true) child.unref();
    const version = (await askHealth(ready.url, world))?.version ?? "";
    return { ...ready, version, started: true, ended };
  } catch (error) {
    await endChild(child, ended, world.clock);
    // Two `up` at once: the loser of the race finds the winner's server.
    const other = await findReady(dataDir, world, options.signal);
    if (other !== undefined && other.pid !== child.pid) return other;
    if (!(error instanceof StartFailure)) throw error;
    throw startError(
      error.message,
      logFd === undefined ? [] : lastWords(logPath, logStart, child.pid),
      logPath,
    );
  }
}

/**
 * Makes a folder and those above it. Not `mkdir` with `recursive`: where the system answers "no such file" to
 * making a folder, as below /proc, that one tries for ever.
 */
function makeFolder(path: string, mode: number): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) return;
  const refused = (why: string, cause?: unknown): CliError =>
    new CliError("bad_data_dir", `The data folder cannot be made: ${path} ${why}.`, {
      hint: "Name another: --data-dir DIR",
      cause,
    });
  if (stat !== undefined) throw refused("is not a folder");
  if (dirname(path) !== path) makeFolder(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return makeFolder(path, mode);
    if (code === "EACCES" || code === "EPERM") throw error;
    throw refused(code === "ENOENT" ? "is where the system makes no folders" : message, error);
  }
}

/** Asked before a database is started for a server that could not listen. */
function portIsFree(host: string, port: number): Promise<boolean> {
  if (port === 0) return Promise.resolve(true);
  return new Promise((done) => {
    const probe = createServer();
    // Any other trouble is for the server to tell: it knows more.
    probe.once("error", (error: NodeJS.ErrnoException) => done(error.code !== "EADDRINUSE"));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => done(true)));
  });
}

const portTaken = (port: number): CliError =>
  new CliError("port_taken", `Something else listens on port ${port} already.`, {
    hint: `Choose another, such as --port ${port < 65_535 ? port + 1 : port - 1}, or any that is free: --port 0`,
  });

/** A server that did not come up leaves nothing behind. */
async function endChild(child: ChildProcess, ended: Promise<number>, clock: Clock): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const waited = new AbortController();
  await Promise.race([ended, pause(clock, START_END_MS_MAX, waited.signal)]);
  waited.abort();
  child.kill("SIGKILL");
}

/** The server of `dataDir` once it is ready; one that is still starting is waited for. */
async function findReady(
  dataDir: string,
  world: World,
  signal: AbortSignal | undefined,
): Promise<StartedServer | undefined> {
  for (const beganMs = world.clock.monotonicMs(); !signal?.aborted; ) {
    const note = readNote(dataDir);
    if (note === undefined || !isServerProcess(note.pid)) return undefined;
    const running = await findRunning(dataDir, world);
    if (running?.status === "ready")
      return { ...running, oneTimeToken: null, started: false, ended: new Promise(() => {}) };
    if (world.clock.monotonicMs() - beganMs > READY_MS_MAX)
      throw new CliError(
        "unavailable",
        `The server of ${dataDir} (process ${note.pid}) runs, but is not ready after ${READY_MS_MAX / 1000} s.`,
        { hint: `Look at its log: ${serverLogPath(dataDir)}`, exitCode: EXIT.unreachable },
      );
    await pause(world.clock, 200, signal);
  }
  return undefined;
}

function launch(options: StartOptions, world: World, logFd: number | undefined): ChildProcess {
  const args = ["--disable-warning=ExperimentalWarning", SERVER_MAIN];
  args.push("--data-dir", options.dataDir);
  if (options.host !== undefined) args.push("--host", options.host);
  if (options.port !== undefined) args.push("--port", String(options.port));
  if (options.taskPort !== undefined) args.push("--task-port", String(options.taskPort));
  if (options.taskDomain !== undefined) args.push("--task-domain", options.taskDomain);
  if (options.slots !== undefined) args.push("--slots", String(options.slots));
  if (options.pools !== undefined) args.push("--pools", options.pools);
  if (options.leaseMs !== undefined) args.push("--runner-lease-ms", String(options.leaseMs));
  if (options.lostMs !== undefined) args.push("--runner-lost-ms", String(options.lostMs));
  if (options.allowRemote === true) args.push("--allow-remote");
  const env: Record<string, string | undefined> = { ...world.env };
  // The server speaks for nobody: a token of the person who starts it has no business there.
  delete env.CONTRAIL_TOKEN;
  delete env.CONTRAIL_SERVER;
  return spawn(process.execPath, args, {
    detached: options.foreground !== true,
    stdio: ["ignore", "pipe", logFd ?? "inherit"],
    // Not the caller's folder: the server may outlive it.
    cwd: options.dataDir,
    env,
  });
}

class StartFailure extends Error {}

async function readyLine(
  child: ChildProcess,
  ended: Promise<number>,
  options: StartOptions,
  world: World,
  step: () => string,
): Promise<{ url: string; pid: number; oneTimeToken: string | null }> {
  const timeout = new AbortController();
  const tick = (): (() => void) =>
    world.clock.after(250, () => {
      options.onStep?.(step());
      cancelTick = tick();
    });
  let cancelTick = tick();
  const line = new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const ready = text.split("\n").find((l) => l.startsWith("{") && l.includes('"ready"'));
      if (ready !== undefined && text.includes(`${ready}\n`)) resolve(ready);
    });
    child.once("error", (error) =>
      reject(new StartFailure(`could not be started: ${error.message}`)),
    );
    void ended.then((code) =>
      reject(new StartFailure(`ended before it was ready (${describeEnd(child, code)})`)),
    );
    options.signal?.addEventListener("abort", () => reject(interrupted()), { once: true });
    void pause(world.clock, READY_MS_MAX, timeout.signal).then(() =>
      reject(new StartFailure(`was not ready after ${READY_MS_MAX / 1000} s`)),
    );
  });
  try {
    const ready = JSON.parse(await line) as {
      url: string;
      pid: number;
      one_time_token?: string | null;
    };
    return { url: ready.url, pid: ready.pid, oneTimeToken: ready.one_time_token ?? null };
  } finally {
    timeout.abort();
    cancelTick();
  }
}

const describeEnd = (child: ChildProcess, code: number): string =>
  child.signalCode === null ? `exit code ${code}` : `signal ${child.signalCode}`;

export const interrupted = (): CliError =>
  new CliError("interrupted", "Interrupted.", {
    hint: "Run the command again.",
    exitCode: EXIT.interrupted,
  });

function startError(what: string, lines: readonly string[], logPath: string): CliError {
  const shown = lines.map((line) => `\n  ${line}`).join("");
  return new CliError(
    "server_not_started",
    `The server ${what}.${shown === "" ? "" : ` It said:${shown}`}`,
    {
      hint: `The whole log is ${logPath}. \`contrail doctor\` checks what a server needs.`,
    },
  );
}

/** @returns false when there is no such process */
export function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * As root PostgreSQL runs under another user id, which has to pass every folder on the way.
 * @param path a folder that exists
 * @returns the outermost folder that it may not pass
 */
export function closedFolder(path: string): string | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const way: string[] = [];
  for (let at = resolve(path); at !== dirname(at); at = dirname(at)) way.unshift(at);
  return way.find((folder) => (statSync(folder).mode & 0o001) === 0);
}

/** Whether `pid` lives and, where the system can tell, runs our server: numbers are used again. */
export function isServerProcess(pid: number): boolean {
  if (!kill(pid, 0)) return false;
  if (process.platform !== "linux") return true;
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    // Empty for a zombie: it has ended and only waits to be collected.
    return args.includes("server/main");
  } catch {
    return false;
  }
}
