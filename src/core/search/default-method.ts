/**
 * The search for those who named none: `asha` in its promoting form, divisor 3, as many rungs as fit.
 *
 * Why this one: it needs no tuning and no assumption on how fast trials separate, slow trials hold
 * nobody up, and at its worst it costs a logarithm over random search (Li et al. 2017, section 3;
 * Li et al. 2020, section 3). Promoting rather than stopping, because nothing is lost by arriving
 * early; divisor 3 rather than 4, because e (2.7) is where the theory has its optimum and small
 * searches get a rung more. `bench/search-quality.ts` holds it to random search.
 */
import { isSinglePoint } from "../space/grid.ts";
import type { Space } from "../space/space.ts";
import { rungSteps, rungsThatFit } from "./rung-steps.ts";
import type { MethodSpec } from "./search.ts";

const DIVISOR = 3;
/** What people know as the default of `max_concurrent_trials`. */
const CONCURRENT_MAX = 16;
const TRIALS_MIN = 27;
const TRIALS_MAX = 243;

/** The three knobs, all optional but the first, which nobody can guess. */
export interface DefaultRequest {
  readonly space: Space;
  /** The longest a trial trains, in steps. >= 1 */
  readonly stepsMax: number;
  readonly trialsMax?: number;
  /** Where that number stands, if not in the search's own field: for people. */
  readonly trialsFrom?: string;
  /** 0 = as many as the method likes; 16 where it is not given. */
  readonly concurrentMax?: number;
}

/**
 * Picks a method where none was named.
 * @returns the method, and why in one or two sentences for the record
 */
export function chooseMethod(request: DefaultRequest): {
  readonly method: MethodSpec;
  readonly reason: string;
} {
  const { space, stepsMax, concurrentMax = CONCURRENT_MAX } = request;
  if (isSinglePoint(space)) {
    const reason =
      "No searcher was named, and the hyperparameters leave only one choice: a single trial.";
    return { method: { name: "single", stepsMax, concurrentMax }, reason };
  }
  const trialsMax = request.trialsMax ?? defaultTrials(stepsMax);
  const rungs = asManyRungsAsFit({ stepsMax, trialsMax, divisor: DIVISOR });
  const steps = rungSteps(stepsMax, DIVISOR, rungs);
  const whence =
    request.trialsMax === undefined ? "not given, so by the length" : request.trialsFrom;
  const trials = `${trialsMax} trials${whence === undefined ? "" : ` (${whence})`}`;
  const shape =
    rungs > 1
      ? `At most a third go on at steps ${steps.slice(0, -1).join(", ")} of ${stepsMax}, the most rungs that fit.`
      : `Nothing can be stopped early: ${trialsMax < DIVISOR ? "too few trials" : "too few steps"} to divide by ${DIVISOR}.`;
  return {
    method: {
      name: "asha",
      form: "promoting",
      trialsMax,
      divisor: DIVISOR,
      rungs,
      stepsMax,
      concurrentMax,
    },
    reason: `No searcher was named: asha in its promoting form with divisor ${DIVISOR} and ${trials}. ${shape}`,
  };
}

/** The most rungs n for which both stepsMax and trialsMax are at least divisor^(n-1). */
export function asManyRungsAsFit(limits: {
  readonly stepsMax: number;
  readonly trialsMax: number;
  readonly divisor: number;
}): number {
  const { stepsMax, trialsMax, divisor } = limits;
  return Math.min(rungsThatFit(stepsMax, divisor), rungsThatFit(trialsMax, divisor));
}

/** Three trials at the top of as many rungs as the steps allow: 27 for up to 26 steps, 81, then 243. */
function defaultTrials(stepsMax: number): number {
  const wanted = DIVISOR ** rungsThatFit(stepsMax, DIVISOR, 5);
  return Math.min(Math.max(wanted, TRIALS_MIN), TRIALS_MAX);
}
