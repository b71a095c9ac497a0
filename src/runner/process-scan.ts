/**
 * Finds every process that belongs to an allocation, also those that nobody started directly.
 *
 * Two nets: the process groups of the ranks, and a marker in the environment (the allocation's own
 * socket path) that children inherit even when they leave the group with setsid. A cgroup would hold
 * them all by force, but needs rights that a person's laptop and most clusters do not give.
 * Reading /proc costs about 30 µs a process; it is done once when an allocation ends and repeated
 * only while something is left. Where there is no /proc (macOS), the groups are all there is.
 */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { isAbsent, isDead, procStatus } from "../engines/process-identity.ts";

export interface ScanFor {
  /** Process groups of the ranks. */
  readonly groups: readonly number[];
  /** NAME=value as it stands in the environment; null looks for groups only. */
  readonly marker: string | null;
}

/** So that a scan of a large machine does not hold up reports. */
const PER_TURN = 64;
const environ = Buffer.allocUnsafe(256 * 1024);

/** @returns pids that run (zombies do not), in no order @throws what keeps us from looking */
export async function findProcesses(scan: ScanFor): Promise<number[]> {
  const groups = scan.groups.filter(groupExists);
  if (process.platform !== "linux") return groups;
  const marker = scan.marker === null ? null : Buffer.from(`${scan.marker}\0`);
  const found: number[] = [];
  let looked = 0;
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (++looked % PER_TURN === 0) await new Promise(setImmediate);
    if (inGroups(pid, groups) || (marker !== null && carries(pid, marker))) found.push(pid);
  }
  return found;
}

/** False also when only zombies of it are left and they are known to the kernel as gone. */
export function groupExists(group: number): boolean {
  try {
    process.kill(-group, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** @returns false when there was nothing to signal */
export function signalGroup(group: number, name: NodeJS.Signals): boolean {
  return signalPid(-group, name);
}

export function signalPid(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    if ((error as NodeJS.ErrnoException).code === "EPERM") return false;
    throw error;
  }
}

function inGroups(pid: number, groups: readonly number[]): boolean {
  if (groups.length === 0) return false;
  const status = procStatus(pid);
  if (status === undefined || isDead(status)) return false;
  return groups.includes(status.group) || groups.includes(status.session);
}

function carries(pid: number, marker: Buffer): boolean {
  let fd: number;
  try {
    fd = openSync(`/proc/${pid}/environ`, "r");
  } catch (error) {
    if (isAbsent(error)) return false; // Gone, or somebody else's: then it is not one of ours.
    throw error;
  }
  try {
    const length = readSync(fd, environ, 0, environ.length, 0);
    return environ.subarray(0, length).includes(marker);
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}
