/**
 * The straggler rule of the synchronous form: a rung that waits only for trials far slower than
 * everyone else closes without them.
 *
 * Slow is measured against the others of the same rung (the median of their durations times
 * `stragglerFactor`), since only they had the same number of steps to train. The rule waits until
 * at least as many have arrived as are missing, and never acts at the top rung, where nobody is
 * kept waiting. Refused: a limit in minutes, which nobody can name before the first run.
 */
import type { Door } from "./line.ts";
import type { Bracket, Rung, SearchState, SearchTrial } from "./state.ts";

export interface Straggler {
  readonly trial: number;
  readonly tookMs: number;
  readonly medianMs: number;
  readonly others: number;
}

/** A gap between two events longer than this counts as this: nobody trained while nobody listened. */
const GAP_MAX_MS = 10_000;

/** Lets time pass on the search's clock. A wall clock that steps back stands still here. */
export function passTime(state: SearchState, nowMs: number): void {
  const gapMs = state.lastMs === null ? 0 : nowMs - state.lastMs;
  state.clockMs += Math.max(0, Math.min(gapMs, GAP_MAX_MS));
  state.lastMs = nowMs;
}

/** How long a trial has trained in its rung, without the time it is known to have had no slots. */
export function tookMs(state: SearchState, trial: SearchTrial): number {
  const running = trial.sinceMs === undefined ? 0 : state.clockMs - trial.sinceMs;
  return (trial.ranMs ?? 0) + running;
}

/** The slots came: what passed before was waiting in a queue. They went: the clock stops. */
export function slotsChanged(state: SearchState, trial: SearchTrial, granted: boolean): void {
  if (trial.phase !== "training") return;
  if (granted) {
    trial.sinceMs = state.clockMs;
  } else if (trial.sinceMs !== undefined) {
    trial.ranMs = tookMs(state, trial);
    delete trial.sinceMs;
  }
}

/** The trials that a bracket's rungs should wait for no longer. */
export function stragglersOf(
  state: SearchState,
  index: number,
  { doors, factor }: { doors: readonly Door[]; factor: number },
): Straggler[] {
  const { rungs } = state.brackets[index] as Bracket;
  return rungs.slice(0, -1).flatMap((rung, r) => {
    const others = rung.tookMs.length;
    if (rung.training === 0 || (doors[r] as Door).fed || others < rung.training) return [];
    const medianMs = median(rung);
    const missing = state.trials.flatMap((trial, i) =>
      trial.phase === "training" && trial.bracket === index && trial.rung === r
        ? [{ trial: i + 1, tookMs: tookMs(state, trial), medianMs, others }]
        : [],
    );
    return missing.every((one) => one.tookMs > factor * medianMs) ? missing : [];
  });
}

function median({ tookMs: all }: Rung): number {
  const sorted = all.toSorted((a, b) => a - b);
  const middle = sorted.length >>> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}
