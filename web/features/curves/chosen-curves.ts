/** Which curves are drawn: the best N, those kept by a brush. Pure. */
import { fromWire } from "../../../src/base/json.ts";
import type { Curve, CurvesReply } from "../../../src/protocol/api.ts";
import { numberOf } from "../../charts/kept.ts";

export const TOPS = ["all", "5", "10", "25", "50"] as const;

/** @param items the best first, as the server gives them */
export function chosenCurves(
  items: readonly Curve[],
  {
    top,
    kept,
  }: { readonly top: (typeof TOPS)[number]; readonly kept: ReadonlySet<number> | undefined },
): Curve[] {
  const own = kept ? items.filter(({ trial }) => kept.has(numberOf(trial))) : [...items];
  return top === "all" ? own : own.slice(0, Number(top));
}

/** The value of a curve at a step: between two points on the line that is drawn; undefined where it does not reach. */
export function valueAtStep(points: Curve["points"], step: number): number | undefined {
  let before: readonly [number, number] | undefined;
  for (const [at, wire] of points) {
    const value = fromWire(wire);
    if (!Number.isFinite(value)) continue;
    if (at === step) return value;
    if (at > step) {
      if (!before) return undefined;
      const share = (step - before[0]) / (at - before[0]);
      return before[1] + (value - before[1]) * share;
    }
    before = [at, value];
  }
  return undefined;
}

/** Numbers of the trials whose curve passes through the range at the step. */
export function brushed(
  items: CurvesReply["items"],
  { x, low, high }: { readonly x: number; readonly low: number; readonly high: number },
): number[] {
  return items
    .filter(({ points }) => {
      const value = valueAtStep(points, x);
      return value !== undefined && value >= low && value <= high;
    })
    .map(({ trial }) => numberOf(trial));
}
