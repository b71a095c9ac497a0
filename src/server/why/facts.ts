/** What an answer to "why" is made of: rows of the log and the tables, and the scheduler's view of this moment. */
import type { WaitReason } from "../../core/schedule/plan.ts";
import type { Standing } from "../../core/search/search.ts";

/** A row of the log of changes. */
export interface ChangeFact {
  readonly seq: number;
  readonly at: string;
  readonly actor: string;
  readonly what: string;
  readonly cause: string;
}

/** An act of the search on one trial. */
export interface DecisionFact {
  readonly what: "create" | "train" | "pause" | "stop";
  readonly target: number | null;
  readonly code: string;
  readonly text: string;
  readonly standing: Standing | null;
}

export interface AllocationFact {
  readonly run: number;
  readonly slots: readonly string[];
  readonly state: "assigned" | "running" | "ended";
  readonly startStep: number;
  /** It started from a checkpoint. */
  readonly restored: boolean;
  readonly yield: "pause" | "stop" | null;
  readonly kill: boolean;
  /** Why its last orders were given. */
  readonly ordersReason: string;
  readonly end: string | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly signalsSent: readonly string[];
  readonly outOfMemory: string | null;
  /** How long it had said nothing when its runner ended it for that; null = not for that. */
  readonly silentMs: number | null;
  readonly reason: string;
  readonly createdAt: string;
  readonly endedAt: string | null;
}

/** A runner that is silent or lost. */
export interface RunnerFact {
  readonly runner: string;
  readonly standing: "silent" | "lost";
  readonly cause: string;
  readonly since: string;
  /** null = not since the server started. */
  readonly heardAt: string | null;
  /** When the engine last said that it lives; null = it was not asked or could not tell. */
  readonly aliveAt: string | null;
}

export interface HolderFact {
  readonly slot: string;
  /** The allocation that holds it. */
  readonly allocation: string;
  readonly since: string;
}

/** What the scheduler says of a trial that wants slots. */
export interface WaitFact {
  readonly reason: WaitReason;
  /** 1 = first of those that wait. */
  readonly position: number;
  readonly waiting: number;
  readonly needs: number;
}

/** Where a trial stands now among those who arrived at the rung. */
export interface RungFact {
  readonly step: number;
  readonly rank: number;
  readonly of: number;
}

export interface SearchFacts {
  readonly unit: string;
  readonly metric: string;
  readonly smallerIsBetter: boolean;
}

export interface TrialFacts extends SearchFacts {
  readonly id: string;
  /** What the engine says of a job that was given slots and has not started; null = nothing. */
  readonly engine: string | null;
  readonly experiment: number;
  readonly state: string;
  readonly endReason: string | null;
  readonly reason: string;
  readonly step: number;
  readonly target: number | null;
  readonly restarts: number;
  readonly maxRestarts: number;
  readonly checkpointStep: number | null;
  readonly held: { readonly byPerson: boolean; readonly byExperiment: boolean };
  /** Oldest first. */
  readonly changes: readonly ChangeFact[];
  readonly experimentChanges: readonly ChangeFact[];
  readonly decisions: readonly DecisionFact[];
  readonly allocations: readonly AllocationFact[];
  /** null where it wants no slots or is about to get them. */
  readonly wait: WaitFact | null;
  readonly holders: readonly HolderFact[];
  /** Of its live allocation; null while it is heard. */
  readonly silent: RunnerFact | null;
  readonly draining: boolean;
  readonly rung: RungFact | null;
  readonly lastLines: readonly string[];
  /** What its latest run was in; null = no container, as far as is known. */
  readonly container: {
    readonly run: number;
    readonly image: string;
    readonly digest: string;
  } | null;
  /** Of its latest run that was on several; null = there was none. */
  readonly nodes: { readonly run: number; readonly names: readonly string[] } | null;
  readonly nowMs: number;
}

export interface ExperimentFacts extends SearchFacts {
  readonly id: number;
  readonly state: string;
  readonly reason: string;
  readonly searcher: string;
  readonly searcherReason: string;
  /** false = left out of the configuration and chosen. */
  readonly searcherNamed: boolean;
  readonly plan: {
    readonly trialsMax: number;
    readonly rungs: readonly {
      bracket: number;
      rung: number;
      step: number | null;
      trials: number;
    }[];
  };
  readonly trials: {
    readonly total: number;
    readonly queued: number;
    readonly running: number;
    readonly paused: number;
    readonly completed: number;
    readonly canceled: number;
    readonly error: number;
    /** Of the total, those made in place of impossible ones. */
    readonly replacements: number;
  };
  readonly best: {
    readonly trial: string;
    readonly step: number;
    readonly objective: number;
  } | null;
  /** Its own, oldest first: not those of its trials. */
  readonly changes: readonly ChangeFact[];
  /** The first trials that failed. */
  readonly failed: readonly {
    readonly trial: string;
    readonly endReason: string | null;
    readonly reason: string;
  }[];
  /** In the order of the queue. */
  readonly waits: readonly { readonly trial: string; readonly wait: WaitFact }[];
  readonly holders: readonly HolderFact[];
  readonly draining: boolean;
  readonly nowMs: number;
}

export interface SlotFacts {
  readonly id: string;
  readonly holder: HolderFact | null;
  /** The grant, and what became of it: of the holder, or of the last one. */
  readonly grant: ChangeFact | null;
  readonly last: {
    readonly allocation: string;
    readonly endedAt: string;
    readonly reason: string;
  } | null;
  /** Its runner, where that is silent or lost. */
  readonly withheld: RunnerFact | null;
  /** The orders of the holder, where it is to go. */
  readonly leaving: string | null;
  readonly waits: readonly { readonly trial: string; readonly wait: WaitFact }[];
  readonly draining: boolean;
  readonly nowMs: number;
}
