/**
 * What a search will cost, before it starts: trials expected per rung, and bounds on the steps.
 *
 * The bounds hold for every order of results as long as no trial fails, ends by itself before its
 * target or declares its hyperparameters impossible; failures only make a search cheaper, while
 * restarts repeat steps that are not counted here.
 */

import type { Timing } from "./halving-rule.ts";
import { divisorOf } from "./line.ts";
import { planSearch } from "./methods.ts";
import { expectedArrivals, stepsTrained } from "./rung-steps.ts";
import type { MethodSpec, SearchSpec } from "./search.ts";

export interface SearchPreview {
  readonly method: MethodSpec["name"];
  /** Over all brackets. */
  readonly trialsMax: number;
  readonly concurrentMax: number;
  readonly brackets: readonly {
    readonly bracket: number;
    readonly trials: number;
    readonly rungs: readonly {
      readonly rung: number;
      readonly step: number;
      /** Trials expected to arrive here. */
      readonly trials: number;
    }[];
  }[];
  /** Steps of training over all trials: no fewer, as expected, no more. */
  readonly stepsMin: number;
  readonly stepsExpected: number;
  readonly stepsMax: number;
  /** What the same trials cost when each is trained to the end. */
  readonly stepsWithoutEarlyStopping: number;
}

/** @throws AssertionFailed for a specification that the configuration should have refused */
export function preview(spec: SearchSpec): SearchPreview {
  const plan = planSearch(spec);
  const divisor = divisorOf(spec.method);
  const start = spec.startStep ?? 0;
  const costs = plan.brackets.map(({ steps, trials }) => {
    const expected = expectedArrivals(trials, divisor, steps.length);
    const { least, most } = arrivalBounds(plan.timing, { trials, divisor, rungs: steps.length });
    return {
      expected,
      stepsExpected: stepsTrained(steps, expected, start),
      stepsMin: stepsTrained(steps, least, start),
      stepsMax: stepsTrained(steps, most, start),
      stepsFull: trials * (spec.method.stepsMax - start),
    };
  });
  const sum = (of: (cost: (typeof costs)[number]) => number): number =>
    costs.reduce((total, cost) => total + of(cost), 0);
  return {
    method: spec.method.name,
    trialsMax: plan.brackets.reduce((total, { trials }) => total + trials, 0),
    concurrentMax: plan.concurrentMax,
    brackets: plan.brackets.map(({ steps, trials }, bracket) => ({
      bracket,
      trials,
      rungs: steps.map((step, rung) => ({
        rung,
        step,
        trials: costs[bracket]?.expected[rung] as number,
      })),
    })),
    stepsMin: sum((cost) => cost.stepsMin),
    stepsExpected: sum((cost) => cost.stepsExpected),
    stepsMax: sum((cost) => cost.stepsMax),
    stepsWithoutEarlyStopping: sum((cost) => cost.stepsFull),
  };
}

/**
 * The fewest and the most trials that can arrive at each rung, over all orders of results.
 * Promoting, at most: from the divisor-th arrival on, every newcomer may be the best so far.
 * Stopping, at least: when the best comes first nobody behind it passes; at most: each is better
 * than all before it.
 */
function arrivalBounds(
  timing: Timing,
  { trials, divisor, rungs }: { trials: number; divisor: number; rungs: number },
): { least: number[]; most: number[] } {
  const expected = expectedArrivals(trials, divisor, rungs);
  if (timing === "synchronous") return { least: expected, most: expected };
  if (timing === "stopping") {
    const least = expected.map((_, r) => (r === 0 ? trials : 1));
    return { least, most: expected.map(() => trials) };
  }
  const most = [trials];
  while (most.length < rungs) {
    const before = most.at(-1) as number;
    const first = Math.ceil(divisor);
    most.push(before >= first ? before - first + 1 : 1);
  }
  return { least: expected, most };
}
