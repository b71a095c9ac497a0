/**
 * A Docker engine of the tests' own, apart from any other on this machine: data, sockets and log lie in one folder, no
 * service is started, no bridge or firewall rule is made (containers have no network, or the host's).
 *
 *   node scripts/engines/docker-engine.ts start [--folder F]    the last line printed is its socket
 *   … stop | crash | status [--folder F]
 *
 * `start` on Debian as root installs docker.io where dockerd is missing, and changes nothing where the engine runs
 * already. `stop` keeps the images; `crash` kills engine, shims and containers as a host that loses its power does.
 * Exit code 3: an engine cannot run here, for the reason that was printed (`status`: it does not run).
 */
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { GROUPS, hasVersion2, mountControlGroups } from "../../e2e/engines/control-groups.ts";
import { installPackages } from "../../e2e/engines/debian-packages.ts";
import { repositoryRoot } from "../repository-files.ts";

export class CannotRun extends Error {
  override name = "CannotRun";
}

/** The paths of Unix sockets below it may have no more than about 100 bytes. */
const FOLDER_CHARS_MAX = 60;
const START_MS = 60_000;
const STOP_MS = 30_000;
const LOOK_EVERY_MS = 50;
const EXIT_CANNOT_RUN = 3;

/** One for each clone: tests of one clone run one after the other. */
export const ownFolder = (): string =>
  `/tmp/contrail-docker-${createHash("sha256").update(repositoryRoot).digest("hex").slice(0, 8)}`;

export const socketOf = (folder: string): string => join(folder, "docker.sock");

/** @returns the socket @throws CannotRun */
export async function startEngine(folder: string): Promise<string> {
  if (folder.length > FOLDER_CHARS_MAX)
    throw new CannotRun(`${folder} is too long a path for the sockets in it`);
  if (enginePid(folder) !== undefined && (await answers(folder))) return socketOf(folder);
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    throw new CannotRun("a Docker engine of one's own takes root on Linux");
  const missing = await installPackages([{ name: "docker.io", holds: "dockerd" }]);
  if (missing !== undefined) throw new CannotRun(`dockerd: ${missing}`);
  if (!hasVersion2() && !mountControlGroups("devices"))
    throw new CannotRun(`the control groups could not be mounted on ${GROUPS}`);
  clearLeftovers(folder);
  mkdirSync(join(folder, "data"), { recursive: true, mode: 0o711 });
  const log = openSync(join(folder, "dockerd.log"), "a", 0o600);
  const child = spawn(
    "dockerd",
    [
      ...["--data-root", join(folder, "data"), "--exec-root", join(folder, "exec")],
      ...["--pidfile", join(folder, "docker.pid"), "-H", `unix://${socketOf(folder)}`],
      ...["--bridge", "none", "--iptables=false", "--ip-masq=false"],
      ...["--shutdown-timeout", "5", "--log-level", "warn"],
    ],
    { detached: true, stdio: ["ignore", log, log] },
  );
  closeSync(log);
  let ended = false;
  child.once("exit", () => {
    ended = true;
  });
  child.once("error", () => {
    ended = true;
  });
  const deadline = performance.now() + START_MS;
  while (!(await answers(folder))) {
    if (ended || performance.now() > deadline) {
      child.kill("SIGKILL");
      const said = readText(join(folder, "dockerd.log")).trimEnd().split("\n").slice(-5).join("; ");
      throw new CannotRun(`dockerd did not start: ${said}`);
    }
    await sleep(LOOK_EVERY_MS);
  }
  child.unref();
  return socketOf(folder);
}

export async function stopEngine(folder: string): Promise<void> {
  const pid = enginePid(folder);
  if (pid !== undefined) {
    process.kill(pid, "SIGTERM");
    const deadline = performance.now() + STOP_MS;
    while (enginePid(folder) === pid && performance.now() < deadline) await sleep(LOOK_EVERY_MS);
  }
  clearLeftovers(folder);
}

/** As if the host had lost its power: nothing of it is there any more, and nobody was told. */
export function crashEngine(folder: string): void {
  clearLeftovers(folder);
}

/** Kills the engine alone; its containers live on for now. */
export async function killEngine(folder: string): Promise<void> {
  const pid = enginePid(folder);
  if (pid === undefined) return;
  process.kill(pid, "SIGKILL");
  while (enginePid(folder) === pid) await sleep(LOOK_EVERY_MS);
}

/** What a killed engine leaves behind: shims with their containers, containerd, mounts, files of process ids. */
function clearLeftovers(folder: string): void {
  const ours = pidsWhere((words) => words.some((word) => word.startsWith(`${folder}/exec`)));
  const engine = enginePid(folder);
  const all = [...(engine === undefined ? [] : [engine]), ...ours];
  for (const pid of all.flatMap((one) => [one, ...descendants(one)]))
    try {
      process.kill(pid, "SIGKILL");
    } catch {} // Gone meanwhile.
  for (const file of ["docker.pid", "docker.sock", "exec/containerd/containerd.pid"])
    rmSync(join(folder, file), { force: true });
  const mounts = readText("/proc/self/mountinfo")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(`${folder}/`));
  for (const path of mounts.toSorted().toReversed())
    try {
      execFileSync("umount", ["-l", path], { stdio: "ignore" });
    } catch {} // Went with the one that it stood in.
}

function pidsWhere(wanted: (words: readonly string[]) => boolean): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter(
      (pid) =>
        Number.isInteger(pid) &&
        pid !== process.pid &&
        wanted(readText(`/proc/${pid}/cmdline`).split("\0")),
    );
}

function descendants(pid: number): number[] {
  const tasks = readFolder(`/proc/${pid}/task`);
  const children = tasks.flatMap((task) =>
    readText(`/proc/${pid}/task/${task}/children`).split(" ").filter(Boolean).map(Number),
  );
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** Of the engine of this folder, if it lives; a pid alone may be somebody else's by now. */
function enginePid(folder: string): number | undefined {
  const pid = Number(readText(join(folder, "docker.pid")).trim() || "0");
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const words = readText(`/proc/${pid}/cmdline`).split("\0");
  return words.includes(`unix://${socketOf(folder)}`) ? pid : undefined;
}

function answers(folder: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ socketPath: socketOf(folder), path: "/_ping", timeout: 2_000 });
    asked.on("response", (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(false));
    asked.end();
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function readFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { folder: { type: "string" } },
  });
  const folder = values.folder ?? ownFolder();
  switch (positionals[0]) {
    case "start":
      console.log(await startEngine(folder));
      return 0;
    case "stop":
      await stopEngine(folder);
      return 0;
    case "crash":
      crashEngine(folder);
      return 0;
    case "kill":
      await killEngine(folder);
      return 0;
    case "status":
      return enginePid(folder) !== undefined && (await answers(folder)) ? 0 : EXIT_CANNOT_RUN;
    default:
      console.error(
        "use: node scripts/engines/docker-engine.ts start|stop|crash|kill|status [--folder F]",
      );
      return 2;
  }
}

if (process.argv[1] === import.meta.filename)
  main().then(
    (code) => process.exit(code),
    (error: Error) => {
      console.error(error instanceof CannotRun ? error.message : error.stack);
      process.exit(error instanceof CannotRun ? EXIT_CANNOT_RUN : 1);
    },
  );
