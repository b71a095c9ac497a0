/**
 * What processes have cost, as the kernel counted it: CPU time and memory of a process with everything
 * below it. Other people's work on the machine disturbs this less than it disturbs the wall clock.
 * Linux only; elsewhere nothing is known, and the table says nothing.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

interface Stat {
  readonly pid: number;
  readonly parent: number;
  /** Own time and that of children that have ended and were waited for, in clock ticks. */
  readonly ticks: number;
}

let msPerTick: number | undefined;

function tickMs(): number {
  msPerTick ??= 1000 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  return msPerTick;
}

function readStats(): Map<number, Stat> {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      const text = readFileSync(`/proc/${name}/stat`, "utf8");
      // The name of the program may hold anything; fields are counted from behind it.
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
      stats.set(Number(name), { pid: Number(name), parent: Number(fields[1]), ticks });
    } catch {
      // It has just ended.
    }
  }
  return stats;
}

/** Ids of a process and of all below it. */
function treeOf(root: number, stats: ReadonlyMap<number, Stat>): number[] {
  const children = Map.groupBy(stats.values(), ({ parent }) => parent);
  const found: number[] = [];
  const queue = [root];
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    if (stats.has(pid)) found.push(pid);
    for (const child of children.get(pid) ?? []) queue.push(child.pid);
  }
  return found;
}

/** CPU milliseconds that these processes and all below them have used so far; undefined where unknown. */
export function cpuMsOf(...roots: readonly number[]): number | undefined {
  if (process.platform !== "linux") return undefined;
  const stats = readStats();
  const pids = new Set(roots.flatMap((root) => treeOf(root, stats)));
  let ticks = 0;
  for (const pid of pids) ticks += stats.get(pid)?.ticks ?? 0;
  return ticks * tickMs();
}

/** Resident bytes of one process, and of those below it counted once (proportional share). */
export function memoryBytesOf(root: number): { own: number; below: number } | undefined {
  if (process.platform !== "linux") return undefined;
  const [, ...others] = treeOf(root, readStats());
  return { own: share(root), below: others.reduce((sum, pid) => sum + share(pid), 0) };
}

/**
 * Resident bytes of a process that are its own: heap, buffers, stacks, and no files that it has mapped. For a course over
 * time, because the proportional share of the Node binary grows when somebody else who runs it ends.
 */
export function anonymousBytesOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, "utf8");
    const kib = /^RssAnon:\s+([0-9]+) kB/m.exec(text)?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}

/** How many files and sockets a process holds open; undefined where unknown. */
export function descriptorsOf(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return undefined;
  }
}

function share(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    return Number(/^Pss:\s+([0-9]+) kB/m.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
