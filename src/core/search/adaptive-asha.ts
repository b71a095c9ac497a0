/**
 * Several ASHA brackets side by side, so that nobody has to guess how early stopping may begin:
 * Hyperband's hedge (Li et al. 2017, section 3) over asynchronous brackets (Li et al. 2020, 3.3).
 *
 * How many brackets, how many rungs each and how the trials are shared out follows the rule that
 * users of `adaptive_asha` know, with two repairs: rungs are counted in whole numbers, and the
 * brackets' trials never add up to more than `trialsMax` (brackets with the least early stopping
 * are dropped first).
 */
import { assert } from "../../base/assert.ts";
import { replacementsFor } from "./random.ts";
import { rungSteps, rungsThatFit } from "./rung-steps.ts";
import type { AdaptiveMode, MethodSpec, SearchSpec } from "./search.ts";
import type { BracketPlan, Plan } from "./state.ts";

type AdaptiveAsha = Extract<MethodSpec, { name: "adaptive_asha" }>;

export function planAdaptiveAsha({ space }: SearchSpec, method: AdaptiveAsha): Plan {
  const { trialsMax, divisor, form } = method;
  const brackets = shareTrials(bracketSteps(method), trialsMax, divisor);
  const shares = sharePlaces(brackets, method);
  return {
    timing: form,
    brackets: brackets.map((bracket, i) => ({ ...bracket, share: shares[i] as number })),
    concurrentMax: shares.reduce((sum, share) => sum + share, 0),
    replacementsMax: replacementsFor(space, trialsMax),
  };
}

/** The rungs of each bracket, most early stopping first. */
function bracketSteps(method: AdaptiveAsha): number[][] {
  const { stepsMax, trialsMax, divisor, mode, rungsMax, bracketRungs } = method;
  const fit = Math.min(
    rungsMax,
    rungsThatFit(stepsMax, divisor, rungsMax),
    rungsThatFit(trialsMax, divisor, rungsMax),
  );
  const counts = bracketRungs.length > 0 ? [...bracketRungs] : rungCounts(mode, fit);
  return counts.sort((a, b) => b - a).map((rungs) => rungSteps(stepsMax, divisor, rungs));
}

/** @param fit the most rungs that a bracket can have */
export function rungCounts(mode: AdaptiveMode, fit: number): number[] {
  const least = { conservative: 1, standard: Math.floor((fit - 1) / 2) + 1, aggressive: fit }[mode];
  return Array.from({ length: fit - least + 1 }, (_, i) => fit - i);
}

/**
 * Trials per bracket of n rungs in proportion to divisor^(n-1) / n, at least 1, what is left over to
 * the first. While that adds up to more than `trialsMax`, the last bracket is dropped.
 */
function shareTrials(
  brackets: readonly (readonly number[])[],
  trialsMax: number,
  divisor: number,
): Omit<BracketPlan, "share">[] {
  assert(brackets.length > 0 && trialsMax >= 1, `adaptive_asha: ${trialsMax} trials`);
  for (let kept = Math.min(brackets.length, trialsMax); ; kept--) {
    const weights = brackets.slice(0, kept).map(({ length: n }) => divisor ** (n - 1) / n);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const trials = weights.map((w) => Math.max(Math.floor((w * trialsMax) / total), 1));
    const left = trialsMax - trials.reduce((sum, n) => sum + n, 0);
    if (left < 0 && kept > 1) continue;
    trials[0] = (trials[0] as number) + left;
    return trials.map((n, i) => ({ steps: brackets[i] as readonly number[], trials: n }));
  }
}

/**
 * Places per bracket, together never more than `concurrentMax`. 0 = every bracket as many as the
 * last one has trials, at least the divisor, at most its own trials.
 */
function sharePlaces(
  brackets: readonly Omit<BracketPlan, "share">[],
  { concurrentMax, divisor }: AdaptiveAsha,
): number[] {
  if (concurrentMax === 0) {
    const each = Math.max(brackets.at(-1)?.trials ?? 1, Math.floor(divisor));
    return brackets.map(({ trials }) => Math.min(each, trials));
  }
  const least = Math.floor(concurrentMax / brackets.length);
  const more = concurrentMax % brackets.length;
  return brackets.map((_, i) => least + (i < more ? 1 : 0));
}
