/** Four trials that train at the same time and save now and then: what most faults of the platform are tried on. */
import { curveSearch, isAlive, type Stand, until } from "../support.ts";

export const SAVE_EVERY = 10;

export interface FourTrials {
  readonly id: number;
  readonly trials: readonly string[];
  readonly steps: number;
}

/** Starts them, and waits until each has a checkpoint on record. */
export async function fourTrials(
  it: Stand,
  options: {
    readonly steps: number;
    readonly delayMs?: number;
    /** Of the first run: it goes no further, however long the fault is in coming. */
    readonly holdAt?: number;
  },
): Promise<FourTrials> {
  const { steps, delayMs = 50, holdAt = steps + 1 } = options;
  const code = await it.codeFolder({}, ["curve.ts"]);
  const config = curveSearch(
    { name: "random", max_length: { epochs: steps }, max_trials: 4, max_concurrent_trials: 4 },
    {
      ...{ delayMs, saveEvery: SAVE_EVERY, max_restarts: 0 },
      environment: { E2E_TRACE: it.trace, E2E_HOLD_AT: String(holdAt) },
    },
  );
  const { id } = await it.submit(config, code);
  const trials = [1, 2, 3, 4].map((n) => `${id}.${n}`);
  for (const trial of trials)
    await it.trialWhen(trial, "has a checkpoint", (detail) => detail.checkpoint !== null);
  return { id, trials, steps };
}

/** Process ids of the training as the programs themselves say. */
export async function pidsOf(it: Stand, trials: readonly string[]): Promise<number[]> {
  const traces = await Promise.all(trials.map((trial) => it.traced(trial)));
  return traces.map((steps) => steps.at(-1)?.pid ?? 0);
}

/** @returns milliseconds until none of them lives @throws Error after the limit */
export async function goneAfterMs(pids: readonly number[], limitMs: number): Promise<number> {
  const beganMs = performance.now();
  await until("its training processes are gone", () => pids.every((pid) => !isAlive(pid)), {
    limitMs,
  });
  return performance.now() - beganMs;
}

/** What is wrong with how they ended; each was to go through `runs` allocations. */
export async function endFaults(
  it: Stand,
  { id, trials, steps }: FourTrials,
  ends: readonly string[],
  limitMs = 180_000,
): Promise<string[]> {
  const faults: string[] = [];
  const experiment = await it.ended(id, limitMs);
  if (experiment.state !== "completed") faults.push(`${experiment.state}: ${experiment.reason}`);
  for (const trial of trials) {
    const detail = await it.client.trial(trial);
    const found = detail.allocations.map(({ end }) => end);
    if (JSON.stringify(found) !== JSON.stringify(ends)) faults.push(`${trial} ended ${found}`);
    if (detail.end_reason !== "finished") faults.push(`${trial}: ${detail.reason}`);
    if (detail.restarts !== 0) faults.push(`${trial}: max_restarts was charged`);
    const series = (await it.series(trial)).map(([step]) => step);
    const wanted = Array.from({ length: steps }, (_, i) => i + 1);
    if (JSON.stringify(series) !== JSON.stringify(wanted))
      faults.push(`${trial} has ${series.length} of ${steps} steps`);
    for (const { run, start_step: from } of detail.allocations)
      if (run > 1 && (from < SAVE_EVERY || from % SAVE_EVERY !== 0))
        faults.push(`${trial} went on from ${from}, which is no checkpoint`);
  }
  return faults;
}

/**
 * Looks at the processes themselves, again and again, for a trial that two allocations train at once.
 * @returns ends the watch, and says what was seen
 */
export function watchForTwins(it: Stand): () => string[] {
  const seen = new Set<string>();
  const look = (): void => {
    const live = Map.groupBy(
      it.processes().flatMap(({ allocation }) => allocation ?? []),
      (allocation) => allocation.split(".").slice(0, 2).join("."),
    );
    for (const [trial, allocations] of live) {
      const twins = [...new Set(allocations)];
      if (twins.length > 1) seen.add(`${trial} is trained by ${twins.join(" and ")}`);
    }
  };
  // Where a row breaks off, nobody ends the watch, and it alone must not keep the process.
  const timer = setInterval(look, 200).unref();
  return () => {
    clearInterval(timer);
    return [...seen];
  };
}
