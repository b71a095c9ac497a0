/**
 * Who is next: the waiting trial that may go on, or a new one; and which rungs are closed.
 *
 * This is `get_job` of Li et al. 2020, Algorithm 2: look from the highest rung down for somebody who
 * may be promoted, and grow the bottom rung where there is nobody. Nothing here is remembered. A
 * rung is closed when nobody can arrive any more, found afresh from the bottom each time it is
 * asked, so an unexpected arrival (a replacement) simply opens it again.
 */
import { passingCount } from "./halving-rule.ts";
import type { MethodSpec } from "./search.ts";
import type { Bracket, Rung, SearchState } from "./state.ts";
import { trialOf } from "./state.ts";

export type Job =
  | { readonly type: "create"; readonly bracket: number }
  | { readonly type: "promote"; readonly trial: number; readonly passing: number };

export interface Door {
  /** Somebody may still set out for this rung. */
  readonly fed: boolean;
  /** Nobody can arrive any more: nobody sets out for it and nobody is on the way. */
  readonly closed: boolean;
  /** How many of its best may go on now. */
  readonly passing: number;
}

/** Methods of one rung never divide; any number does for them. */
export const divisorOf = (method: MethodSpec): number => ("divisor" in method ? method.divisor : 2);

export function canCreate(state: SearchState, bracket: Bracket): boolean {
  return bracket.used < bracket.trialsMax && !state.replacementsUsedUp;
}

/** The doors of a bracket's rungs, lowest first. */
export function doorsOf(state: SearchState, bracket: Bracket, divisor: number): Door[] {
  const doors: Door[] = [];
  let fed = canCreate(state, bracket);
  for (const [r, rung] of bracket.rungs.entries()) {
    const closed = !fed && rung.training === 0;
    const passing = passingCount(state.timing, { arrived: rung.order.length, divisor, closed });
    doors.push({ fed, closed, passing });
    fed = !closed || firstWaiting(state, bracket, { r, passing }) !== undefined;
  }
  return doors;
}

/** The best of the first `passing` of rung r who waits there (who went on may wait higher up). */
function firstWaiting(state: SearchState, bracket: Bracket, line: Line): number | undefined {
  const rung = bracket.rungs[line.r] as Rung;
  if (rung.waiting === 0) return undefined;
  for (let i = 0; i < line.passing; i++) {
    const number = rung.order[i] as number;
    if (waitsAt(state, number, line.r)) return number;
  }
  return undefined;
}

/** Everyone who waits at rung r behind the first `passing`. */
export function waitingBehind(state: SearchState, bracket: Bracket, line: Line): number[] {
  const rung = bracket.rungs[line.r] as Rung;
  if (rung.waiting === 0) return [];
  return rung.order.slice(line.passing).filter((number) => waitsAt(state, number, line.r));
}

/** A rung's number, and how many of its best may go on. */
interface Line {
  readonly r: number;
  readonly passing: number;
}

function waitsAt(state: SearchState, number: number, rung: number): boolean {
  const trial = trialOf(state, number);
  return trial.rung === rung && trial.phase === "waiting";
}

/**
 * The next thing to do with a free place. Brackets with places of their own left come first, in
 * order; then any bracket with something to do borrows what the others cannot use.
 */
export function nextJob(state: SearchState, divisor: number): Job | undefined {
  if (state.wanting >= state.concurrentMax) return undefined;
  for (const borrow of [false, true]) {
    for (const [index, bracket] of state.brackets.entries()) {
      if (bracket.wanting >= bracket.share !== borrow) continue;
      const job = jobIn(state, bracket, index, divisor);
      if (job !== undefined) return job;
    }
  }
  return undefined;
}

function jobIn(
  state: SearchState,
  bracket: Bracket,
  index: number,
  divisor: number,
): Job | undefined {
  if (bracket.rungs.some((rung) => rung.waiting > 0)) {
    const doors = doorsOf(state, bracket, divisor);
    for (let r = bracket.rungs.length - 2; r >= 0; r--) {
      const { passing } = doors[r] as Door;
      const trial = firstWaiting(state, bracket, { r, passing });
      if (trial !== undefined) return { type: "promote", trial, passing };
    }
  }
  return canCreate(state, bracket) ? { type: "create", bracket: index } : undefined;
}
