/**
 * The state that every search method shares: plain JSON, saved and restored at any event.
 *
 * One shape serves all methods, because they are all races: brackets of rungs, where single, random
 * and grid have one bracket with one rung. A rung keeps only the trials' numbers, best first; the
 * measured values stand once, with their trial, as words where JSON has no number (NaN, Infinity).
 * Counters stand beside the lists so that no event has to walk through all trials.
 *
 * Alternative refused: one state type per method and a union over them. The server would have to
 * know which is which, and the halving methods would repeat the same nine fields.
 */
import { assert } from "../../base/assert.ts";
import type { WireNumber } from "../../base/json.ts";
import type { Timing } from "./halving-rule.ts";
import type { ExitReason, MethodSpec } from "./search.ts";

export const STATE_VERSION = 1;

export interface SearchState {
  version: typeof STATE_VERSION;
  method: MethodSpec["name"];
  timing: Timing;
  phase: "new" | "running" | "finished";
  /** Somebody else has ended it: nobody goes on, nobody is stopped by it, nothing is made. */
  ended?: true;
  /** trials[n-1] is trial n. */
  trials: SearchTrial[];
  brackets: Bracket[];
  /** Trials that may hold or want slots at one time. >= 1 */
  concurrentMax: number;
  /** Trials that hold or want slots now. <= concurrentMax */
  wanting: number;
  /** Trials that are not over. */
  live: number;
  exits: { [reason in ExitReason]: number };
  /** Replacements for invalid hyperparameters granted so far, and their limit. */
  replaced: number;
  replacementsMax: number;
  /** Set when one replacement more would have been needed: nothing is created from then on. */
  replacementsUsedUp: boolean;
  /** Steps heard of, over all trials; and those expected when nothing fails. */
  stepsHeard: number;
  stepsExpected: number;
  /** 0 … 1, never less than before. */
  progress: number;
  /** Time as the search has lived it: gaps (server away, experiment paused) count 10 s at most. */
  clockMs: number;
  lastMs: number | null;
  /** Of a deterministic search: what was heard and does not count yet. */
  virtual?: VirtualOrder;
}

/** Trials made in place of others: what was granted, but for those that have no place yet. */
export const replacementsMade = ({ replaced, brackets }: SearchState): number =>
  brackets.reduce((made, { owed }) => made - owed, replaced);

/** See `virtual-order.ts`. */
export interface VirtualOrder {
  /** Virtual time in steps: that of the last result which counted. */
  now: number;
  /** Steps heard of over all trials, whether their results count yet or not: what progress goes by. */
  stepsHeard: number;
  /** By number: the trials whose end does not count yet. */
  trials: { [number: string]: Pending };
  /** Those of them that owe something: the ones to look at. */
  owing: number[];
  /** Results that had to wait for others, once they count: how many, how long together, the longest. */
  held: { results: number; ms: number; msMax: number };
}

export interface Pending {
  /** Virtual time of what it owes: the result at `rung`, or its end. null: nothing is asked of it. */
  due: number | null;
  rung: number;
  target: number;
  /** It was told to stop, and how its end counts. */
  stop?: "finished" | "stopped" | "errored";
  /** The first value heard at or beyond each rung's step. */
  measured: WireNumber[];
  /** The largest step it has reported, at most the last rung's; before, the one that it began at. */
  steps: number;
  /** It is over, as far as is known. */
  exit?: ExitReason;
  /** Wall time since which what it owes is there. */
  sinceMs?: number;
}

export interface Bracket {
  /** The steps of its rungs, ascending. */
  steps: number[];
  trialsMax: number;
  /** Trials made that count: without those replaced for invalid hyperparameters. */
  used: number;
  /** Replacements granted and not yet made. */
  owed: number;
  /** Places under `concurrentMax` that this bracket has before others may borrow them. */
  share: number;
  /** Its trials that hold or want slots. */
  wanting: number;
  rungs: Rung[];
}

export interface Rung {
  /** Everyone who arrived, best first; ties by trial number. */
  order: number[];
  /** Trials that train towards it now, and trials that wait at it. */
  training: number;
  waiting: number;
  /** How long those who arrived took from the rung below, in ms; kept by the synchronous form only. */
  tookMs: number[];
}

export interface SearchTrial {
  bracket: number;
  /** The rung it trains towards, waits at or ended at. */
  rung: number;
  /** stopping: told to stop and holding slots; leaving: told to stop while it held none. */
  phase: "training" | "waiting" | "stopping" | "leaving" | "over";
  /** The objective that counts at each rung which its reports have passed. */
  measured: WireNumber[];
  /** The largest step it has reported, at most stepsMax; before, the one that it began at. */
  steps: number;
  /** Its entry at `rung` stands behind everyone: it has no value there or was lost while waiting. */
  last?: true;
  exit?: ExitReason;
  /** On the search's clock: when it got its slots; absent while it is known to have none. */
  sinceMs?: number;
  /** Time in this rung before `sinceMs`. */
  ranMs?: number;
}

/** A bracket as a method asks for it. */
export interface BracketPlan {
  readonly steps: readonly number[];
  readonly trials: number;
  readonly share: number;
}

/** What a method decides before the first trial; the race does the rest. */
export interface Plan {
  readonly timing: Timing;
  readonly brackets: readonly BracketPlan[];
  readonly concurrentMax: number;
  /** 0 where a replacement could not differ. */
  readonly replacementsMax: number;
}

export function newState(
  method: MethodSpec["name"],
  plan: Plan,
  stepsExpected: number,
): SearchState {
  assert(plan.brackets.length > 0 && plan.concurrentMax >= 1, `${method}: a plan without trials`);
  return {
    version: STATE_VERSION,
    method,
    timing: plan.timing,
    phase: "new",
    trials: [],
    brackets: plan.brackets.map(({ steps, trials, share }) => ({
      steps: [...steps],
      trialsMax: trials,
      used: 0,
      owed: 0,
      share,
      wanting: 0,
      rungs: steps.map(() => ({ order: [], training: 0, waiting: 0, tookMs: [] })),
    })),
    concurrentMax: plan.concurrentMax,
    wanting: 0,
    live: 0,
    exits: { finished: 0, stopped: 0, errored: 0, canceled: 0, invalid_hyperparameters: 0 },
    replaced: 0,
    replacementsMax: plan.replacementsMax,
    replacementsUsedUp: false,
    stepsHeard: 0,
    stepsExpected,
    progress: 0,
    clockMs: 0,
    lastMs: null,
  };
}

export const trialOf = (state: SearchState, number: number): SearchTrial =>
  state.trials[number - 1] as SearchTrial;

export const bracketOf = (state: SearchState, trial: SearchTrial): Bracket =>
  state.brackets[trial.bracket] as Bracket;
