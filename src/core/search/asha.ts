/**
 * Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter
 * Tuning", section 3 and Algorithm 2), one bracket, in two forms.
 *
 * - promoting, the paper's: at a rung a trial saves a checkpoint and gives its slots back. It goes on
 *   as soon as it is among the best 1/divisor of those who arrived. While nobody may, the bottom
 *   rung grows. Wrong promotions are few and no trial ever waits for a slow one.
 * - stopping: at a rung a trial goes on at once when it is among the best 1/divisor of those before
 *   it, and ends otherwise. No checkpoints are needed; a good trial that came behind better ones by
 *   chance is lost, and the first always passes.
 *
 * When nobody can arrive at a rung any more, whoever waits there without a chance is stopped.
 */
import { replacementsFor } from "./random.ts";
import { rungSteps } from "./rung-steps.ts";
import type { MethodSpec, SearchSpec } from "./search.ts";
import type { Plan } from "./state.ts";

type Asha = Extract<MethodSpec, { name: "asha" }>;

/** `concurrentMax` 0 = divisor^(rungs-1): enough at a time for one trial to win through to the top. */
export function planAsha({ space }: SearchSpec, method: Asha): Plan {
  const { stepsMax, trialsMax, divisor, rungs, form } = method;
  const own = Math.min(Math.max(Math.floor(divisor ** (rungs - 1)), 1), trialsMax);
  const concurrentMax = method.concurrentMax > 0 ? method.concurrentMax : own;
  return {
    timing: form,
    brackets: [
      { steps: rungSteps(stepsMax, divisor, rungs), trials: trialsMax, share: concurrentMax },
    ],
    concurrentMax,
    replacementsMax: replacementsFor(space, trialsMax),
  };
}
