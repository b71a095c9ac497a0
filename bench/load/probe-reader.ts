/** What probe.ts wrote about the processes that it was loaded into. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../bench.ts";
import type { Inside } from "./probe.ts";

export interface Probe {
  /** For the first process; those that it starts inherit it. */
  readonly env: Readonly<Record<string, string>>;
  /** Of one process, in order. */
  of(pid: number): readonly Inside[];
  /** Of every process that was looked into. */
  all(): readonly (readonly Inside[])[];
}

export function probeInto(bench: Bench, everyMs: number): Probe {
  const folder = bench.folder("probe");
  const read = (name: string): Inside[] => {
    const path = join(folder, name);
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Inside);
  };
  return {
    env: {
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import=${new URL("probe.ts", import.meta.url)}`,
      BENCH_PROBE_FOLDER: folder,
      BENCH_PROBE_EVERY_MS: String(everyMs),
    },
    of: (pid) => read(`${pid}.jsonl`),
    all: () => readdirSync(folder).map(read),
  };
}
