/**
 * Whether a process that was noted down earlier still lives. A pid alone is no answer, because pids
 * are used again; a pid with its start time and the boot of the machine is. A zombie counts as gone:
 * it runs nothing and holds nothing, and where nobody collects it, it would stay for ever.
 *
 * Linux says all this in /proc; elsewhere `ps` is asked.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque: equal for the same process, different for a later one with the same pid. */
  readonly started: string;
}

export interface ProcessStatus {
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since the machine started. */
  readonly startTicks: string;
}

/** Not there, or not for us to see. */
export const isAbsent = (error: unknown): boolean =>
  /^(?:ENOENT|ENOTDIR|ESRCH|EACCES|EPERM)$/.test(String((error as NodeJS.ErrnoException).code));

/**
 * Reads /proc/<pid>/stat.
 * @returns undefined when there is no such process, or no /proc
 * @throws what keeps us from looking (EMFILE, ENOMEM): it would be proof that a process is gone, which runs
 */
export function procStatus(pid: number): ProcessStatus | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
  // The name stands in parentheses and may contain any character, so fields are counted from its end.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    state: fields[0] ?? "?",
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: fields[19] ?? "",
  };
}

export const isDead = (status: ProcessStatus): boolean =>
  status.state === "Z" || status.state === "X";

let bootId: string | undefined;

/** Names this boot of the machine, so that start times of an earlier one never match. */
export function machineBoot(): string {
  try {
    bootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch (error) {
    if (!isAbsent(error)) throw error;
    bootId ??= "";
  }
  return bootId;
}

/** @returns undefined when no such process runs (any more) @throws where nobody can say */
export function identify(pid: number): ProcessIdentity | undefined {
  if (process.platform === "linux") {
    const status = procStatus(pid);
    if (status === undefined || isDead(status)) return undefined;
    return { pid, started: `${machineBoot()}:${status.startTicks}` };
  }
  const { status, stdout, error } = spawnSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  if (status !== 0 || stdout.trim() === "" || stdout.trim().startsWith("Z")) return undefined;
  return { pid, started: stdout.trim().replace(/^\S+\s+/, "") };
}

export const isRunning = (noted: ProcessIdentity): boolean =>
  identify(noted.pid)?.started === noted.started;
