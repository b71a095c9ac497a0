/**
 * Tells a death for lack of memory from other deaths. Two kinds of evidence: the kernel's own count of
 * kills (of our cgroup, else of the machine) that rose while a process died of a SIGKILL that we did
 * not send; or the last words of the program, as the well-known runtimes speak them.
 * Without evidence the answer is null: "probably" is not a reason that anyone may act on.
 */
import { readFileSync } from "node:fs";

const LAST_WORDS: readonly (readonly [RegExp, string])[] = [
  [
    /CUDA out of memory|CUDA error: out of memory|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation/,
    "CUDA",
  ],
  [
    /\bOutOfMemoryError\b.*\b(?:CUDA|HIP|XPU|MPS)\b|HIP out of memory|MPS backend out of memory/,
    "the GPU runtime",
  ],
  [
    /RESOURCE_EXHAUSTED: (?:Out of memory|Failed to allocate)|OOM when allocating tensor/,
    "XLA or TensorFlow",
  ],
  [/JavaScript heap out of memory|Reached heap limit/, "Node"],
  [/^(?:[\w.]*\.)?_?(?:Array)?MemoryError(?::|\s*$)/m, "Python"],
  [/std::bad_alloc/, "the C++ runtime"],
  [/java\.lang\.OutOfMemoryError/, "the Java runtime"],
  [
    /\[Errno 12\] Cannot allocate memory|DefaultCPUAllocator: (?:can't|not enough)/,
    "the allocator",
  ],
];

/** How much of the end of stderr counts as last words. */
export const LAST_WORDS_BYTES = 8 * 1024;

/** @returns who said that memory ran out, or null */
export function saidOutOfMemory(stderrEnd: string): string | null {
  for (const [pattern, who] of LAST_WORDS) {
    const line = pattern.exec(stderrEnd)?.[0];
    if (line !== undefined) return `${who} said so on stderr: ${line.trim().slice(0, 120)}`;
  }
  return null;
}

/** Counts kills that the kernel made and nobody has been blamed for yet. */
export class OomWatch {
  readonly #read: () => number | null;
  #explained: number | null;

  /** @param read the kernel's count since boot or since the cgroup began; null = unknown */
  constructor(read: () => number | null = kernelOomKills) {
    this.#read = read;
    this.#explained = read();
  }

  /** The count now, to be remembered when an allocation starts. */
  count(): number | null {
    return this.#read();
  }

  /**
   * Asks whether a process that died of an unexpected SIGKILL was one of the kernel's. Each kill
   * explains one death, and none explains the death of something that started after it.
   */
  explains(countAtStart: number | null): string | null {
    const now = this.#read();
    if (now === null || countAtStart === null) return null;
    const explained = Math.max(this.#explained ?? countAtStart, countAtStart);
    if (now <= explained) return null;
    this.#explained = explained + 1;
    return "the kernel's OOM killer";
  }
}

/** Kills counted for the memory cgroup of this process, which its children share; else for the machine. */
export function kernelOomKills(): number | null {
  for (const path of candidates()) {
    const count = countIn(path);
    if (count !== null) return count;
  }
  return null;
}

let paths: readonly string[] | undefined;

function candidates(): readonly string[] {
  if (paths !== undefined) return paths;
  const found: string[] = [];
  for (const line of (readText("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, ...rest] = line.split(":");
    const path = rest.join(":");
    if (controllers === "") {
      found.push(`/sys/fs/cgroup${path}/memory.events`);
      found.push("/sys/fs/cgroup/memory.events");
    } else if (controllers?.split(",").includes("memory")) {
      found.push(`/sys/fs/cgroup/memory${path}/memory.oom_control`);
      found.push("/sys/fs/cgroup/memory/memory.oom_control");
    }
  }
  paths = [...found, "/proc/vmstat"];
  return paths;
}

function countIn(path: string): number | null {
  const match = /^oom_kill (\d+)$/m.exec(readText(path) ?? "");
  return match === null ? null : Number(match[1]);
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
