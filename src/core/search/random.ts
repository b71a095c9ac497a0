/**
 * Random search: `trialsMax` independent samples, each trained to the end (Bergstra and Bengio 2012).
 * A race with one rung, where everybody who arrives has reached the end.
 */
import { isSinglePoint } from "../space/grid.ts";
import { sample } from "../space/sample.ts";
import type { Space } from "../space/space.ts";
import type { Choose } from "./race.ts";
import type { MethodSpec, SearchSpec } from "./search.ts";
import type { Plan } from "./state.ts";

type RandomSearch = Extract<MethodSpec, { name: "random" }>;

export const chooseRandom: Choose = (spec, trialNumber) =>
  sample(spec.space, spec.seed, trialNumber);

export const planRandom = (spec: SearchSpec, method: RandomSearch): Plan =>
  fullLengthPlan(spec, { ...method, trials: method.trialsMax });

/** One bracket with one rung. `concurrentMax` 0 = all at once. */
export function fullLengthPlan(
  { space }: { readonly space: Space },
  limits: { readonly trials: number; readonly stepsMax: number; readonly concurrentMax: number },
): Plan {
  const { trials, stepsMax } = limits;
  const concurrentMax = limits.concurrentMax > 0 ? limits.concurrentMax : trials;
  return {
    timing: "stopping",
    brackets: [{ steps: [stepsMax], trials, share: concurrentMax }],
    concurrentMax,
    replacementsMax: replacementsFor(space, trials),
  };
}

/** How often impossible hyperparameters are replaced; never where another sample is the same. */
export function replacementsFor(space: Space, trialsMax: number): number {
  return isSinglePoint(space) ? 0 : Math.max(8, 2 * trialsMax);
}
