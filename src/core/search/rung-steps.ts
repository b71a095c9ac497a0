/**
 * Where the rungs lie: stepsMax, stepsMax / divisor, stepsMax / divisor², … down to 1.
 *
 * All of it by multiplication and division of whole numbers. The quotient of two logarithms, which
 * says the same on paper, is a little less than 3 for 10³ and loses a rung when it is cut off.
 */
import { assert } from "../../base/assert.ts";

/** No search needs more; it also ends the loops for divisors very close to 1. */
const RUNGS_MAX = 64;

/**
 * The steps at which a bracket judges, ascending; the last is `stepsMax`.
 * Rungs that would fall on the same step are one rung: 3 rungs of 2 steps by 3 are 1 and 2, not 1, 1, 2.
 * @param rungs >= 1 @param divisor > 1
 */
export function rungSteps(stepsMax: number, divisor: number, rungs: number): number[] {
  assert(stepsMax >= 1 && divisor > 1 && rungs >= 1, `rungs: ${stepsMax}, ${divisor}, ${rungs}`);
  const steps = [stepsMax];
  let power = 1;
  for (let i = 1; i < Math.min(rungs, RUNGS_MAX); i++) {
    power *= divisor;
    const step = Math.max(Math.floor(stepsMax / power), 1);
    if (step < (steps[0] as number)) steps.unshift(step);
  }
  return steps;
}

/** The largest number of rungs n <= `atMost` with divisor^(n-1) <= limit; 1 at least. */
export function rungsThatFit(limit: number, divisor: number, atMost = RUNGS_MAX): number {
  let rungs = 1;
  for (let power = divisor; power <= limit && rungs < atMost; power *= divisor) rungs++;
  return rungs;
}

/** How many arrive at each rung of a bracket when everything goes well and everyone is waited for. */
export function expectedArrivals(trials: number, divisor: number, rungs: number): number[] {
  const arrivals = [trials];
  while (arrivals.length < rungs) {
    const before = arrivals.at(-1) as number;
    arrivals.push(Math.min(before, Math.max(Math.floor(before / divisor), 1)));
  }
  return arrivals;
}

/** Steps trained by a bracket in which `arrivals[r]` trials, which begin at `start`, reach the rung at `steps[r]`. */
export function stepsTrained(
  steps: readonly number[],
  arrivals: readonly number[],
  start = 0,
): number {
  return steps.reduce(
    (sum, step, r) => sum + (arrivals[r] ?? 0) * (step - (steps[r - 1] ?? start)),
    0,
  );
}
