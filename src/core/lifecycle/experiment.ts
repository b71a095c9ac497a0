/**
 * What an experiment is to core, what can happen to it, and what a step of it changes. How it steps is in
 * `step.ts`.
 */
import type { Budget } from "../budget.ts";
import { type SearchState, startSearch } from "../search/methods.ts";
import type { SearchAction, SearchEvent, SearchSpec } from "../search/search.ts";
import { type ClockStep, passedMs } from "./clock-steps.ts";
import type { AllocationEnd, ProcessesEnd, TrialState } from "./trial.ts";

/** What never changes about an experiment, as core sees it. */
export interface ExperimentSpec {
  readonly search: SearchSpec;
  /** Metric name that the search judges by; null = the search needs none (a single run). */
  readonly objective: string | null;
  /** Metric whose value is the resource; null = the step itself. */
  readonly timeMetric: string | null;
  readonly maxRestarts: number;
  readonly slotsPerTrial: number;
  readonly budget: Budget;
}

/** Plain JSON, stored with the experiment. */
export interface ExperimentCore {
  run: "active" | "paused" | "stopping" | "completed" | "canceled" | "error";
  /** Set once something has decided the end; `byUser` harshness is in the trials. */
  ending: { outcome: "completed" | "canceled" | "error"; text: string } | null;
  reason: string;
  startedAtMs: number | null;
  endedAtMs: number | null;
  progress: number;
  /** Steps trained, over all trials: work, so what a restart repeats counts again. */
  steps: number;
  slotMs: number;
  best: { trial: number; step: number; value: number } | null;
  /** Of another experiment: the checkpoint that every trial goes on from. Absent = from the beginning. */
  start?: { readonly step: number; readonly tree: string };
  /** Of a deterministic search, once it has heard anything. */
  held?: HeldCost;
}

/** What the order of a deterministic search has cost so far. */
export interface HeldCost {
  /** Results that had to wait for others before they counted. */
  readonly results: number;
  /** Wall time from hearing them until they counted, added up, and the longest. */
  readonly ms: number;
  readonly msMax: number;
  /** Slot time for which trials stood still with slots, their result in. */
  readonly slotMs: number;
}

export interface Experiment {
  readonly spec: ExperimentSpec;
  core: ExperimentCore;
  search: SearchState;
  trials: Map<number, TrialState>;
  /** Trials that are not over, by number: what most loops look at. */
  live: Set<number>;
}

export type ExperimentEvent =
  /** `cause`: where it comes from, when it was not written from nothing. */
  | {
      readonly type: "start";
      readonly paused: boolean;
      readonly actor: string;
      readonly cause?: string;
    }
  | {
      readonly type: "user";
      readonly verb: "activate" | "pause" | "cancel" | "kill";
      readonly trial?: number;
      readonly actor: string;
    }
  /** The scheduler gave it slots. `queued`: they are in use from its start only, as its engine has a queue of its own. */
  | {
      readonly type: "granted";
      readonly trial: number;
      readonly slots: readonly string[];
      readonly reason: string;
      readonly queued?: true;
    }
  | { readonly type: "started"; readonly trial: number; readonly run: number }
  | {
      readonly type: "report";
      readonly trial: number;
      readonly run: number;
      readonly step: number;
      readonly metrics: Readonly<Record<string, number>>;
    }
  | {
      readonly type: "waiting";
      readonly trial: number;
      readonly run: number;
      readonly step: number;
    }
  | {
      readonly type: "checkpoint";
      readonly trial: number;
      readonly run: number;
      readonly step: number;
      readonly tree: string;
    }
  | {
      readonly type: "invalid";
      readonly trial: number;
      readonly run: number;
      readonly reason: string;
    }
  /** Of a task that serves: since when nobody has used it, null = somebody does; `expired`: for longer than it may. */
  | {
      readonly type: "usage";
      readonly trial: number;
      readonly run: number;
      readonly idleSinceMs: number | null;
      readonly expired: boolean;
    }
  | {
      readonly type: "exited";
      readonly trial: number;
      readonly run: number;
      readonly end: ProcessesEnd;
    }
  /** Others need the slots of a trial that stands still. */
  | { readonly type: "rest"; readonly trial: number; readonly reason: string }
  /** Its runner's lease ended with nobody knowing whether its processes live; `reason` is the whole cause. */
  | {
      readonly type: "lost";
      readonly trial: number;
      readonly run: number;
      readonly reason: string;
    }
  /** Slots have to be given back for a while (the server stops): save and go, come back later. */
  | { readonly type: "drain"; readonly reason: string }
  | { readonly type: "tick" };

/** An act of the search on one trial. */
export type TrialDecision = Exclude<SearchAction, { type: "finish" | "hold" }>;

/** What one step changed. Sets name what has to be written anew from the state. */
export interface Effects {
  readonly experimentChanged: boolean;
  readonly trialsChanged: ReadonlySet<number>;
  /** Trials whose live allocation's orders changed (target, yield, kill). */
  readonly ordersChanged: ReadonlyMap<number, string>;
  /** Allocations that ended in this step. */
  readonly ended: readonly {
    trial: number;
    run: number;
    end: AllocationEnd;
    text: string;
    exits: ProcessesEnd;
  }[];
  /** What the search was told and what it answered: enough to decide it all again. */
  readonly searchLog: readonly { event: SearchEvent; actions: readonly SearchAction[] }[];
  /** Those of its answers that were acted on: none once the experiment's end is decided. */
  readonly decisions: readonly TrialDecision[];
  /** Sentences for the log of changes: who, what, why. `trial` absent = the experiment. */
  readonly changes: readonly { actor: string; trial?: number; what: string; cause: string }[];
}

export function newExperiment(spec: ExperimentSpec, start?: ExperimentCore["start"]): Experiment {
  return {
    spec,
    core: {
      run: "paused",
      ending: null,
      reason: "created",
      startedAtMs: null,
      endedAtMs: null,
      progress: 0,
      steps: 0,
      slotMs: 0,
      best: null,
      ...(start ? { start } : {}),
    },
    search: startSearch(spec.search),
    trials: new Map(),
    live: new Set(),
  };
}

export const isOver = (core: ExperimentCore): boolean =>
  core.run === "completed" || core.run === "canceled" || core.run === "error";

/** Slots that are in use, and since when. */
export interface Grant {
  readonly sinceMs: number;
  readonly slots: number;
}

export function* runningGrants({ live, trials, spec }: Experiment): Generator<Grant> {
  for (const number of live) {
    const allocation = trials.get(number)?.allocation;
    if (allocation && !allocation.queued)
      yield { sinceMs: allocation.sinceMs, slots: spec.slotsPerTrial };
  }
}

/**
 * Slot time of grants up to now. One that begins later, as the clock was set back, has used nothing yet.
 * @param steps of the clock: what it jumped over is no time
 */
export function grantedSlotMs(
  grants: Iterable<Grant>,
  nowMs: number,
  steps: readonly ClockStep[] = [],
): number {
  let total = 0;
  for (const { sinceMs, slots } of grants) total += passedMs(steps, sinceMs, nowMs) * slots;
  return total;
}

/** Slot time of grants that still run, up to now. */
export const runningSlotMs = (
  experiment: Experiment,
  nowMs: number,
  steps: readonly ClockStep[] = [],
): number => grantedSlotMs(runningGrants(experiment), nowMs, steps);
