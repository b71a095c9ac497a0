/**
 * The runners of a data folder, found without a server: training outlives the server by design, so one that was killed,
 * or stopped by Ctrl-C, leaves a runner at work that has to be found by who wants to end it.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { observeRunner, stopRunner } from "../engines/local/local-engine.ts";

export interface LeftRunner {
  readonly pid: number;
  /** The runner's own data folder. */
  readonly folder: string;
}

/** Those that live now: the one of this machine, and one for each further pool that starts its own here. */
export function leftRunners(dataDir: string): LeftRunner[] {
  const pools = join(dataDir, "runners");
  const further = existsSync(pools) ? readdirSync(pools).map((name) => join(pools, name)) : [];
  return [dataDir, ...further].flatMap((folder) => {
    const seen = observeRunner(folder);
    return seen.state === "alive" ? [{ pid: seen.pid, folder }] : [];
  });
}

/** Ends them and what they train, as a server does that is told to; what was saved stays. */
export async function endRunners(runners: readonly LeftRunner[], clock: Clock): Promise<void> {
  await Promise.all(runners.map(({ folder }) => stopRunner(folder, clock)));
}

/** `runner (process 12)`, `runners (processes 12, 34)`. */
export const runnerWords = (runners: readonly LeftRunner[]): string =>
  runners.length === 1
    ? `runner (process ${runners[0]?.pid})`
    : `runners (processes ${runners.map(({ pid }) => pid).join(", ")})`;
