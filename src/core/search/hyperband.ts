/**
 * Hyperband (Li et al. 2017, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
 * Optimization", Algorithm 1): synchronous brackets, from the one that stops earliest and most to
 * the one that never stops anybody, each costing about the same.
 *
 * With s_max the largest s such that divisor^s <= stepsMax, bracket s starts
 * ceil((s_max + 1) / (s + 1) · divisor^s) trials at stepsMax / divisor^s steps. A rung lets its best
 * 1/divisor go on when everybody has arrived. Brackets are filled in that order until `trialsMax` is met; when all are
 * filled and trials are left, the order starts again, as the paper's outer loop does. A later
 * bracket begins while an earlier one waits for its last arrivals, so slots do not stand idle.
 *
 * Stragglers: a rung that waits only for trials slower than `stragglerFactor` times the median of
 * those who arrived closes without them (`stragglers.ts`). Nothing in the paper does this; without
 * it one dying machine holds up a bracket for good.
 */
import { replacementsFor } from "./random.ts";
import { rungSteps, rungsThatFit } from "./rung-steps.ts";
import type { MethodSpec, SearchSpec } from "./search.ts";
import type { BracketPlan, Plan } from "./state.ts";

type Hyperband = Extract<MethodSpec, { name: "hyperband" }>;

/** `concurrentMax` 0 = as many as the largest bracket starts. */
export function planHyperband({ space }: SearchSpec, method: Hyperband): Plan {
  const brackets = hyperbandBrackets(method);
  // Not by the arguments of Math.max, of which there may be too many.
  const largest = brackets.reduce((most, { trials }) => Math.max(most, trials), 0);
  return {
    timing: "synchronous",
    brackets: brackets.map((bracket) => ({ ...bracket, share: bracket.trials })),
    concurrentMax: method.concurrentMax > 0 ? method.concurrentMax : largest,
    replacementsMax: replacementsFor(space, method.trialsMax),
  };
}

/** The brackets in the order they are filled; their trials add up to `trialsMax` exactly. */
export function hyperbandBrackets({
  stepsMax,
  divisor,
  trialsMax,
}: Pick<Hyperband, "stepsMax" | "divisor" | "trialsMax">): Omit<BracketPlan, "share">[] {
  const levels = rungsThatFit(stepsMax, divisor);
  // Nothing to halve: every bracket would be one full-length trial, so one bracket takes them all.
  if (levels === 1) return [{ steps: [stepsMax], trials: trialsMax }];
  const brackets: Omit<BracketPlan, "share">[] = [];
  let left = trialsMax;
  for (let s = levels - 1; left > 0; s = s > 0 ? s - 1 : levels - 1) {
    const trials = Math.min(left, Math.ceil((levels * divisor ** s) / (s + 1)));
    brackets.push({ steps: rungSteps(stepsMax, divisor, s + 1), trials });
    left -= trials;
  }
  return brackets;
}
