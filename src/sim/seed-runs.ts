/** Many seeds on all cores: threads that each take the next few. */
import { availableParallelism } from "node:os";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type { Outcome } from "./simulation.ts";
import type { SIZES } from "./sizes.ts";

export interface SeedRuns {
  readonly first: number;
  readonly count: number;
  readonly threads?: number;
  /** Of all of them; absent = as each seed draws it. */
  readonly size?: keyof typeof SIZES;
  /** Ends the runs when it returns true. */
  readonly onOutcome: (outcome: Outcome) => boolean;
}

export interface SeedFigures {
  /** How many were run. */
  readonly done: number;
  readonly wallMs: number;
  /** Time of all cores together, from when every thread had loaded its code: neighbours on the machine hardly show in it. */
  readonly cpuMs: number;
}

const SEEDS_AT_ONCE = 20;
/** A run leaves nothing behind: with room for several of them, few of their objects are ever copied by the collector. */
const YOUNG_MB = 96;
/**
 * Most runs are over before the best of machine code has paid for its making, which costs a core beside each that runs: so only
 * what is called five times as often as V8 would wait for is worth it. Measured over 900 runs: 5 % less processor time.
 */
const CALLS_BEFORE_BEST_CODE = 15_000;

export async function runSeeds(runs: SeedRuns): Promise<SeedFigures> {
  const { first, count, onOutcome, size } = runs;
  const threads = Math.min(
    runs.threads ?? availableParallelism(),
    Math.ceil(count / SEEDS_AT_ONCE),
  );
  setFlagsFromString(`--invocation-count-for-turbofan=${CALLS_BEFORE_BEST_CODE}`);
  let next = first;
  let done = 0;
  let enough = false;
  const take = (): number[] => {
    const left = enough ? 0 : Math.min(SEEDS_AT_ONCE, first + count - next);
    const seeds = Array.from({ length: left }, (_, i) => next + i);
    next += left;
    return seeds;
  };
  const work = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      const more = (): void => {
        const seeds = take();
        if (seeds.length > 0) worker.postMessage({ seeds, size });
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
  const workers = await Promise.all(Array.from({ length: threads }, loadedWorker));
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  await Promise.all(workers.map(work));
  const { user, system } = process.cpuUsage(startCpu);
  return { done, wallMs: performance.now() - startMs, cpuMs: (user + system) / 1000 };
}

/** It says null when it has nothing to do, and so when it has loaded its code. */
function loadedWorker(): Promise<Worker> {
  const worker = new Worker(new URL("./seed-worker.ts", import.meta.url), {
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("message", () => {
      worker.off("error", reject);
      resolve(worker);
    });
  });
}
