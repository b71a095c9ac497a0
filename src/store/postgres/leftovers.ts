/**
 * What an earlier start left behind in a cluster's folder, and how it is cleared.
 *
 * After kill -9 of the server its PostgreSQL may still be running (no setpriv), be shutting down, or be
 * a zombie that nobody reaps; and `postmaster.pid` may name a process id that now belongs to somebody else,
 * which is common in containers. PostgreSQL itself only asks whether that id exists, and then refuses to
 * start, perhaps for ever. We can know better: on Linux a PostgreSQL process of this cluster is one named
 * `postgres` whose working directory is the cluster. Those are stopped; then the file is removed if it
 * names no such process. A file that names a dead id is left to PostgreSQL, which checks the shared memory
 * as well.
 *
 * Whoever calls this holds the folder's lock, so whatever lives here is an orphan and nobody's server.
 * An orphan is stopped rather than taken over: starting costs 0.1 s, and then the settings are ours.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../log.ts";
import { PostgresError } from "./postgres-error.ts";

export interface PostmasterFile {
  readonly pid: number;
  readonly socket: string | undefined;
  /** "starting", "stopping", "ready" or "standby"; empty while it is being written. */
  readonly status: string;
}

export function readPostmasterFile(cluster: string): PostmasterFile | undefined {
  let lines: string[];
  try {
    lines = readFileSync(join(cluster, "postmaster.pid"), "utf8").split("\n");
  } catch {
    return undefined;
  }
  const [pid, , , port, socketFolder] = lines;
  return {
    pid: Math.abs(Number.parseInt(pid ?? "", 10)),
    socket: socketFolder && port ? join(socketFolder, `.s.PGSQL.${port}`) : undefined,
    status: (lines[7] ?? "").trim(),
  };
}

/**
 * Stops every PostgreSQL that lives in `folder` and its subfolders, and clears a misleading `postmaster.pid`.
 * @param folder holds the cluster and, after a killed initdb, unfinished ones
 */
export async function clearLeftovers(
  folder: string,
  cluster: string,
  log: Log,
  graceMs = { fast: 10_000, immediate: 5_000 },
): Promise<void> {
  const living = () => livingProcesses(folder, cluster);
  const first = living();
  if (first.length > 0) {
    log.warn({ cluster, pids: first }, "stopping a PostgreSQL that an earlier start left behind");
    for (const [signal, boundMs] of [
      ["SIGINT", graceMs.fast],
      ["SIGQUIT", graceMs.immediate],
      ["SIGKILL", 5_000],
    ] as const) {
      const pids = living();
      // To its children SIGINT means "cancel your query": the shutdown is asked of the postmaster.
      const postmaster = readPostmasterFile(cluster)?.pid;
      const chosen =
        signal === "SIGINT" && pids.some((p) => p === postmaster) ? [postmaster as number] : pids;
      for (const pid of chosen) send(pid, signal, cluster);
      if (await goneWithin(living, boundMs)) break;
    }
    const rest = living();
    if (rest.length > 0) {
      throw new PostgresError(
        "data_folder_in_use",
        `processes ${rest.join(", ")} of ${cluster} do not end.`,
      );
    }
  }
  await clearMisleadingFile(cluster, log);
}

async function goneWithin(living: () => number[], boundMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < boundMs; waitedMs += 20) {
    if (living().length === 0) return true;
    await delay(20);
  }
  return living().length === 0;
}

function send(pid: number, signal: NodeJS.Signals, cluster: string): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return;
    throw new PostgresError(
      "not_permitted",
      `an earlier PostgreSQL (process ${pid}) still serves ${cluster} and belongs to another user. ` +
        `Stop it as that user or as root: kill -INT ${pid}`,
    );
  }
}

async function clearMisleadingFile(cluster: string, log: Log): Promise<void> {
  const file = readPostmasterFile(cluster);
  if (file === undefined || !Number.isInteger(file.pid) || !exists(file.pid)) return;
  // Nobody here is a PostgreSQL of this cluster. One in another pid namespace would still answer its socket.
  if (file.socket !== undefined && (await answers(file.socket))) {
    throw new PostgresError(
      "data_folder_in_use",
      `a PostgreSQL that this process cannot see (another container?) serves ${cluster} on ${file.socket}. Stop it first.`,
    );
  }
  log.warn(
    { cluster, pid: file.pid },
    "postmaster.pid names a process that is not this cluster's; removing the file",
  );
  rmSync(join(cluster, "postmaster.pid"), { force: true });
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once("connect", () => {
      connection.destroy();
      resolve(true);
    });
    connection.once("error", () => resolve(false));
  });
}

/** PostgreSQL's own processes with their working directory in `folder`, zombies not counted. */
function livingProcesses(folder: string, cluster: string): number[] {
  return process.platform === "linux" ? livingOnLinux(realpathSync(folder)) : livingByFile(cluster);
}

function livingOnLinux(folder: string): number[] {
  const found: number[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      const directory = readlinkSync(`/proc/${name}/cwd`);
      if (directory !== folder && !directory.startsWith(`${folder}/`)) continue;
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const command = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
      const state = stat.charAt(stat.lastIndexOf(")") + 2);
      if ((command === "postgres" || command === "initdb") && state !== "Z" && state !== "X")
        found.push(Number(name));
    } catch {
      // Ended in between, or another user's: PostgreSQL would refuse the latter's files anyway.
    }
  }
  return found;
}

/** Elsewhere only the postmaster itself can be told, by its command line. */
function livingByFile(cluster: string): number[] {
  const pid = readPostmasterFile(cluster)?.pid;
  if (pid === undefined || !Number.isInteger(pid) || !exists(pid)) return [];
  try {
    const line = execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
    return line.includes("postgres") && line.includes(cluster) ? [pid] : [];
  } catch {
    return [];
  }
}
