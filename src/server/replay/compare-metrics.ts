/**
 * What two trials reported, where there is nothing better to compare: a program that saves no checkpoints. Judged by the
 * searcher's metric where there is one, since many programs report how long a step took, too, and no two runs agree on that.
 */
import { toWire } from "../../base/json.ts";
import type { FirstDifference } from "../../protocol/api.ts";
import type { MetricDifference } from "../../store/metric-diff.ts";

export interface MetricsFinding {
  readonly state: "identical" | "differs" | "undecided";
  readonly points: number;
  readonly first: FirstDifference | null;
  readonly notes: readonly string[];
}

export function compareMetrics(
  found: readonly MetricDifference[],
  judgedBy: string | null,
): MetricsFinding {
  const chosen = found.filter(({ name, both }) => both > 0 && (judgedBy ?? name) === name);
  const points = chosen.reduce((sum, { both }) => sum + both, 0);
  if (points === 0) return { state: "undecided", points, first: null, notes: [] };
  const notes =
    judgedBy === null ? [] : [`by the searcher's metric ${judgedBy}; others were not looked at`];
  const first = firstOf(chosen);
  return { state: first ? "differs" : "identical", points, first, notes };
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
