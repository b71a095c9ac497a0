/** Many seeds on all cores: threads that each take the next few. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Outcome } from "./simulation.ts";

export interface SeedRuns {
  readonly first: number;
  readonly count: number;
  readonly threads?: number;
  /** Ends the runs when it returns true. */
  readonly onOutcome: (outcome: Outcome) => boolean;
}

const SEEDS_AT_ONCE = 20;

/** @returns how many were run */
export async function runSeeds(runs: SeedRuns): Promise<number> {
  const { first, count, onOutcome } = runs;
  const threads = Math.min(
    runs.threads ?? availableParallelism(),
    Math.ceil(count / SEEDS_AT_ONCE),
  );
  let next = first;
  let done = 0;
  let enough = false;
  const take = (): number[] => {
    const left = enough ? 0 : Math.min(SEEDS_AT_ONCE, first + count - next);
    const seeds = Array.from({ length: left }, (_, i) => next + i);
    next += left;
    return seeds;
  };
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL("./seed-worker.ts", import.meta.url));
      const more = (): void => {
        const seeds = take();
        if (seeds.length > 0) worker.postMessage(seeds);
        else void worker.terminate().then(() => resolve());
      };
      worker.on("error", reject);
      worker.on("message", (outcome: Outcome | null) => {
        if (outcome === null) return more();
        done += 1;
        if (!enough) enough = onOutcome(outcome);
        // Whoever is in the middle of something need not finish it.
        if (enough) void worker.terminate().then(() => resolve());
      });
      more();
    });
  await Promise.all(Array.from({ length: threads }, work));
  return done;
}
