/**
 * The order of a rung: best first, by a total order that says the same after every restart.
 *
 * Three classes: numbers by value in the user's direction, then NaN and both infinities (a loss of minus
 * infinity is a training that has come apart, not the best there is), then those without a value or without a chance (failed on the way, lost while they waited). Within
 * equal values the older trial stands first, so that luck of arrival decides nothing.
 * Places are found by halving the list; nothing is sorted again.
 */
import { fromWire } from "../../base/json.ts";
import type { Standing } from "./search.ts";
import type { Rung, SearchState, SearchTrial } from "./state.ts";
import { bracketOf, trialOf } from "./state.ts";

export interface Field {
  readonly state: SearchState;
  readonly smallerIsBetter: boolean;
}

/** The value that counts at a rung, as the user measured it; NaN where there is none. */
export function objectiveAt(trial: SearchTrial, rung: number): number {
  const measured = trial.measured[rung];
  return measured === undefined ? Number.NaN : fromWire(measured);
}

/** Negative when trial `a` stands before trial `b` at `rung`; 0 only for the same trial. */
function compareAt(field: Field, rung: number, a: number, b: number): number {
  const [x, y] = [trialOf(field.state, a), trialOf(field.state, b)];
  const byClass = classAt(x, rung) - classAt(y, rung);
  if (byClass !== 0) return byClass;
  if (classAt(x, rung) === 0) {
    const [p, q] = [objectiveAt(x, rung), objectiveAt(y, rung)];
    if (p !== q) return p < q === field.smallerIsBetter ? -1 : 1;
  }
  return a - b;
}

function classAt(trial: SearchTrial, rung: number): 0 | 1 | 2 {
  if (trial.measured[rung] === undefined || (trial.last && trial.rung === rung)) return 2;
  return typeof trial.measured[rung] === "string" ? 1 : 0;
}

/** Where trial `number` stands, or would stand, in a rung's order. */
export function placeOf(
  field: Field,
  order: readonly number[],
  rung: number,
  number: number,
): number {
  let [low, high] = [0, order.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareAt(field, rung, order[middle] as number, number) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Enters a trial into the rung it stands at. */
export function enter(field: Field, number: number): void {
  const { rung, order } = here(field.state, number);
  order.splice(placeOf(field, order, rung, number), 0, number);
}

/** Takes a trial out of a rung. Must be called while what the order depends on is unchanged. */
export function withdraw(field: Field, number: number, rung: number): void {
  const trial = trialOf(field.state, number);
  const { order } = bracketOf(field.state, trial).rungs[rung] as Rung;
  const place = placeOf(field, order, rung, number);
  if (order[place] === number) order.splice(place, 1);
}

/** Moves a waiting trial behind everyone: it is lost, others may go on in its place. */
export function moveToEnd(field: Field, number: number): void {
  const { rung, trial } = here(field.state, number);
  withdraw(field, number, rung);
  trial.last = true;
  enter(field, number);
}

function here(
  state: SearchState,
  number: number,
): { trial: SearchTrial; rung: number; order: number[] } {
  const trial = trialOf(state, number);
  const { order } = bracketOf(state, trial).rungs[trial.rung] as Rung;
  return { trial, rung: trial.rung, order };
}

/** The most that one standing shows; when a closing rung stops many at once, each shows fewer. */
export const COMPETITORS_MAX = 64;
export const COMPETITORS_MAX_CLOSING = 16;

/**
 * Where a trial stands in the rung it is at.
 * @param passing how many may go on at this moment
 */
export function standingOf(
  field: Field,
  number: number,
  { passing, shown = COMPETITORS_MAX }: { passing: number; shown?: number },
): Standing {
  const { trial, rung, order } = here(field.state, number);
  const objectiveOf = (other: number): number => objectiveAt(trialOf(field.state, other), rung);
  const lastPassing = order[passing - 1];
  const from = Math.max(0, Math.min(passing - shown / 2, order.length - shown));
  return {
    bracket: trial.bracket,
    rung,
    step: bracketOf(field.state, trial).steps[rung] as number,
    objective: objectiveOf(number),
    rank: placeOf(field, order, rung, number) + 1,
    of: order.length,
    passing,
    ...(lastPassing === undefined ? {} : { threshold: objectiveOf(lastPassing) }),
    competitors: order.slice(from, from + shown).map((other) => {
      const reported = trialOf(field.state, other).measured[rung] !== undefined;
      return { trial: other, objective: reported ? objectiveOf(other) : null };
    }),
  };
}
