/** The sentences that explain a search's acts, each with its figures. */
import type { SearchCause, Standing } from "./search.ts";
import type { SearchState } from "./state.ts";

const shown = (value: number): string =>
  Number.isInteger(value) || !Number.isFinite(value)
    ? String(value)
    : String(+value.toPrecision(6));

const place = (s: Standing): string =>
  `Ranks ${s.rank} of ${s.of} at step ${s.step} with ${shown(s.objective)}`;

const limit = (s: Standing): string =>
  s.threshold === undefined
    ? "nobody may go on yet"
    : `the best ${s.passing} may go on (the last of them has ${shown(s.threshold)})`;

export const promoted = (standing: Standing, target: number): SearchCause => ({
  code: "promoted",
  text: `${place(standing)}; ${limit(standing)}. Goes on to step ${target}.`,
  standing,
});

export const belowThreshold = (standing: Standing): SearchCause => ({
  code: "below_threshold",
  text: `${place(standing)}; ${limit(standing)}.`,
  standing,
});

export const waitingForRung = (standing: Standing): SearchCause => ({
  code: "waiting_for_rung",
  text:
    standing.rank <= standing.passing
      ? `${place(standing)}; ${limit(standing)}. Goes on when a place is free.`
      : `${place(standing)}; ${limit(standing)}. Waits for more results to compare with.`,
  standing,
});

export const waitingInOrder = (target: number, first: number): SearchCause => ({
  code: "waiting_in_order",
  text:
    `Its result at step ${target} is in. It counts after that of trial ${first}, which comes first in the ` +
    "order of this deterministic search and is not known yet.",
});

export const rungClosed = (standing: Standing): SearchCause => ({
  code: "rung_closed",
  text: `${place(standing)}; no more results will come and ${limit(standing)}.`,
  standing,
});

export const reachedEnd = (standing: Standing): SearchCause => ({
  code: "reached_end",
  text: `${place(standing)}: trained as far as this search trains anything.`,
  standing,
});

export const straggler = (
  standing: Standing,
  { tookMs, medianMs, others }: { tookMs: number; medianMs: number; others: number },
): SearchCause => ({
  code: "straggler",
  text:
    `Has trained ${seconds(tookMs)} towards step ${standing.step}; the median of the ${others} who ` +
    `arrived is ${seconds(medianMs)}. The rung closes without it.`,
  standing,
});

const seconds = (ms: number): string => `${shown(Math.round(ms / 100) / 10)} s`;

export function created(
  code: "initial" | "successor" | "replacement",
  {
    used,
    trialsMax,
    replaced,
    replacementsMax,
  }: { [count in "used" | "trialsMax" | "replaced" | "replacementsMax"]: number },
): SearchCause {
  const text = {
    initial: `One of the first: ${used} of ${trialsMax} trials made.`,
    successor: `A place became free: ${used} of ${trialsMax} trials made.`,
    replacement:
      "Replaces a trial whose hyperparameters were impossible " +
      `(${replaced} of at most ${replacementsMax} replacements granted).`,
  };
  return { code, text: text[code] };
}

/** What came of a search whose trials are all over; see docs/searchers.md for the table. */
export function ending(state: SearchState): {
  outcome: "completed" | "errored" | "canceled";
  cause: SearchCause;
} {
  const { finished, stopped, errored, canceled, invalid_hyperparameters: invalid } = state.exits;
  const counts = [
    [finished + stopped, "ended well"],
    [errored, "errored"],
    [canceled, "were cancelled"],
    [invalid, "had impossible hyperparameters"],
  ] as const;
  const list = counts.flatMap(([n, what]) => (n > 0 ? [`${n} ${what}`] : [])).join(", ");
  if (state.replacementsUsedUp) {
    const text =
      `All ${state.replacementsMax} replacements for impossible hyperparameters are used up ` +
      `(trials: ${list}). Narrow the space to what the program accepts.`;
    return { outcome: "errored", cause: { code: "replacements_used_up", text } };
  }
  const outcome = finished + stopped > 0 ? "completed" : canceled > 0 ? "canceled" : "errored";
  return { outcome, cause: { code: "all_trials_over", text: `All trials are over: ${list}.` } };
}
