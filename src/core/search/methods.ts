/**
 * Every search method behind one door: a server starts, steps and shows a search without knowing
 * which method it is. All of them are races (`race.ts`) and differ in two answers, given here: how
 * the race is laid out, and what trial n's hyperparameters are.
 */
import { assert, unreachable } from "../../base/assert.ts";
import { planAdaptiveAsha } from "./adaptive-asha.ts";
import { planAsha } from "./asha.ts";
import { chooseGridPoint, planGrid } from "./grid.ts";
import { planHyperband } from "./hyperband.ts";
import { divisorOf } from "./line.ts";
import { type Choose, keepsTime, race } from "./race.ts";
import { chooseRandom, planRandom } from "./random.ts";
import { objectiveAt } from "./rung.ts";
import { expectedArrivals, stepsTrained } from "./rung-steps.ts";
import type { RungView, SearchAction, SearchEvent, SearchMethod, SearchSpec } from "./search.ts";
import { chooseSingle, planSingle } from "./single.ts";
import {
  newState,
  type Plan,
  type SearchState,
  type SearchTrial,
  STATE_VERSION,
  trialOf,
} from "./state.ts";
import { inVirtualOrder, newVirtualOrder } from "./virtual-order.ts";

export { replacementsMade, type SearchState } from "./state.ts";

/**
 * How a search will be laid out: its brackets with their rungs and trials.
 * @throws AssertionFailed for limits that the configuration should have refused
 */
export function planSearch(spec: SearchSpec): Plan {
  const { method } = spec;
  assert(
    Number.isSafeInteger(method.stepsMax) && method.stepsMax >= 1,
    `stepsMax ${method.stepsMax}`,
  );
  assert(divisorOf(method) > 1, `${method.name}: divisor ${divisorOf(method)} is not above 1`);
  switch (method.name) {
    case "single":
      return planSingle(spec, method);
    case "random":
      return planRandom(spec, method);
    case "grid":
      return planGrid(spec, method);
    case "asha":
      return planAsha(spec, method);
    case "hyperband":
      return planHyperband(spec, method);
    case "adaptive_asha":
      return planAdaptiveAsha(spec, method);
    default:
      return unreachable(method, "search method");
  }
}

/** The method that a specification names. Its state is plain JSON with a version. */
export function methodFor(spec: SearchSpec): SearchMethod<SearchState> {
  return {
    initial: (its) => startSearch(its),
    step: stepSearch,
    progress: searchProgress,
    rungs: searchRungs,
    wantsTicks: searchWantsTicks(spec),
  };
}

/**
 * The state before the first event, which must be `start`.
 * @param plan the method's own layout unless a simulation wants to see another
 */
export function startSearch(spec: SearchSpec, plan = planSearch(spec)): SearchState {
  const divisor = divisorOf(spec.method);
  const stepsExpected = plan.brackets.reduce(
    (sum, { steps, trials }) =>
      sum + stepsTrained(steps, expectedArrivals(trials, divisor, steps.length), spec.startStep),
    0,
  );
  const state = newState(spec.method.name, plan, stepsExpected);
  return spec.deterministic ? { ...state, virtual: newVirtualOrder() } : state;
}

/**
 * Takes one event.
 * @param state consumed: updated in place and returned
 * @param nowMs wall time; only the straggler rule of `hyperband` looks at it, and a deterministic search to count what waiting costs
 * @returns the actions in the order in which they hold
 */
export function stepSearch(
  spec: SearchSpec,
  state: SearchState,
  event: SearchEvent,
  nowMs: number,
): { state: SearchState; actions: SearchAction[] } {
  assert(state.version === STATE_VERSION, `search state of version ${state.version}`);
  assert(
    state.method === spec.method.name,
    `state of ${state.method} given to ${spec.method.name}`,
  );
  const choose = chooseFor(spec);
  const { virtual } = state;
  // Once it is ended no order is left to keep.
  if (virtual === undefined || event.type === "end" || state.ended)
    return { state, actions: race(spec, state, { event, nowMs, choose }) };
  const tell = (told: SearchEvent): SearchAction[] =>
    race(spec, state, { event: told, nowMs: virtual.now, choose });
  return {
    state,
    actions: inVirtualOrder(state, virtual, { event, nowMs, tell, startStep: spec.startStep ?? 0 }),
  };
}

/** 0 … 1; never goes backwards; 1 exactly when the search is over. */
export const searchProgress = (_spec: SearchSpec, state: SearchState): number => state.progress;

/** Does the method want a `tick` about once a second? */
export const searchWantsTicks = keepsTime;

/** Every rung of every bracket, lowest first, with who arrived there, best first. */
export function searchRungs(spec: SearchSpec, state: SearchState): RungView[] {
  return state.brackets.flatMap(({ steps, trialsMax, rungs }, bracket) => {
    const expected = expectedArrivals(trialsMax, divisorOf(spec.method), steps.length);
    return rungs.map(({ order }, rung) => ({
      bracket,
      rung,
      step: steps[rung] as number,
      expected: expected[rung] as number,
      entries: order.flatMap((number) => {
        const trial = trialOf(state, number);
        const outcome = outcomeAt(trial, rung, rung === steps.length - 1);
        const reported = trial.measured[rung] !== undefined;
        // Who failed on the way counts for the halving rule and is shown as such; who was stopped never came.
        if (!reported && outcome !== "failed") return [];
        return [{ trial: number, objective: reported ? objectiveAt(trial, rung) : null, outcome }];
      }),
    }));
  });
}

function outcomeAt(
  trial: SearchTrial,
  rung: number,
  top: boolean,
): RungView["entries"][number]["outcome"] {
  if (trial.rung > rung) return "promoted";
  if (trial.phase === "waiting") return "waiting";
  if (trial.last && (trial.exit === "errored" || trial.exit === "canceled")) return "failed";
  if (trial.exit === "invalid_hyperparameters") return "failed";
  // At the top an error can only mean that what it measured was never saved.
  if (top && trial.measured[rung] !== undefined)
    return trial.exit === "errored" ? "failed" : "finished";
  return trial.exit === "finished" ? "finished" : "stopped";
}

function chooseFor({ method }: SearchSpec): Choose {
  if (method.name === "grid") return chooseGridPoint;
  return method.name === "single" ? chooseSingle : chooseRandom;
}
