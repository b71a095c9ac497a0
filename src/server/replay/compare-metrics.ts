/**
 * What two trials reported, where there is nothing better to compare: a program that saves no checkpoints. Judged by the
 * searcher's metric where there is one, since many programs report how long a step took, too, and no two runs agree on that.
 */
import { toWire } from "../../base/json.ts";
import { plural } from "../../base/plural.ts";
import type { FirstDifference } from "../../protocol/api.ts";
import type { MetricDifference } from "../../store/metric-diff.ts";

export interface MetricsFinding {
  readonly state: "identical" | "differs" | "undecided";
  readonly points: number;
  readonly first: FirstDifference | null;
  /** Where it is undecided: in words. */
  readonly why: string | null;
  readonly notes: readonly string[];
}

/** Identical only where the replay has every point that its trial has: one that stopped early is the same in all it has. */
export function compareMetrics(
  found: readonly MetricDifference[],
  judgedBy: string | null,
): MetricsFinding {
  const chosen = found.filter(({ name }) => (judgedBy ?? name) === name);
  const points = chosen.reduce((sum, { both }) => sum + both, 0);
  const none = "the replay reported none of the metrics that its trial reported";
  if (points === 0) return { state: "undecided", points, first: null, why: none, notes: [] };
  const notes =
    judgedBy === null ? [] : [`by the searcher's metric ${judgedBy}; others were not looked at`];
  const first = firstOf(chosen);
  if (first) return { state: "differs", points, first, why: null, notes };
  const lacking = chosen.find(({ only_a: lacks }) => lacks > 0);
  if (lacking) return { state: "undecided", points, first, why: lackText(lacking), notes };
  return { state: "identical", points, first, why: null, notes };
}

function lackText(of: MetricDifference): string {
  const { name, both, only_a: lacks, last_step_a: last, last_step_b: lastAgain } = of;
  const points = plural(both + lacks, "point");
  const where = lastAgain === null ? "" : `, the last of its own at step ${lastAgain}`;
  return `of ${points} of metric ${name} that its trial reported, the last at step ${last}, the replay lacks ${lacks}${where}`;
}

/** Of several that differ at one step the first by name. */
export function firstOf(found: readonly MetricDifference[]): FirstDifference | null {
  const first = found
    .filter(({ first_step: step }) => step !== null)
    .toSorted((a, b) => Number(a.first_step) - Number(b.first_step))[0];
  if (!first) return null;
  const apart = Math.abs((first.first_a ?? Number.NaN) - (first.first_b ?? Number.NaN));
  return {
    step: Number(first.first_step),
    ...{ path: null, item: first.name, max_abs: toWire(apart) },
    ...{ differing: null, elements: null, byte: null },
  };
}
