/**
 * The contract of every search method: a pure, seeded state machine.
 *
 * A method hears about trials by number (1, 2, … in order of creation) and answers with absolute
 * targets ("train to step 9"), so hearing an answer twice does no harm. Its whole state is plain
 * JSON: saved at any event and restored, it decides as if nothing had happened. There is no clock,
 * no I/O and no generator that advances by turn: trial n's choice is a function of (seed, n).
 *
 * Alternative refused: objects with hidden state and a pickle beside them, which is how a neighbour's
 * restored searches came back empty.
 */
import type { Hyperparameters, Space } from "../space/space.ts";

/** What the experiment asks of its search, resolved: nothing optional is left open. */
export interface SearchSpec {
  readonly space: Space;
  /** Experiment seed, 0 … 2^32-1. */
  readonly seed: number;
  readonly smallerIsBetter: boolean;
  readonly method: MethodSpec;
  /** Results count in virtual order instead of the order of arrival (`virtual-order.ts`). Absent = as they arrive. */
  readonly deterministic?: true;
  /** Every trial goes on from a checkpoint of this step, below the first rung. Absent = 0. */
  readonly startStep?: number;
}

interface Limits {
  /** The longest any trial trains, in the experiment's unit (step, epoch, …). >= 1 */
  readonly stepsMax: number;
  /** Trials that may be unfinished and wanting slots at one time; 0 = as many as the method likes. */
  readonly concurrentMax: number;
}

/** promoting: pause at the rung and perhaps go on later. stopping: go on at once or end. */
export type HalvingForm = "promoting" | "stopping";
export type AdaptiveMode = "aggressive" | "standard" | "conservative";

export type MethodSpec =
  /** `trialSeed` in place of the one that follows from the experiment's. */
  | ({ readonly name: "single"; readonly trialSeed?: number } & Limits)
  | ({ readonly name: "random"; readonly trialsMax: number } & Limits)
  | ({ readonly name: "grid" } & Limits)
  | ({
      readonly name: "asha";
      readonly form: HalvingForm;
      readonly trialsMax: number;
      readonly divisor: number;
      readonly rungs: number;
    } & Limits)
  | ({
      readonly name: "hyperband";
      readonly divisor: number;
      /** Upper bound on trials over all brackets; the brackets are filled in order until it is met. */
      readonly trialsMax: number;
      /** A rung is closed without a trial that takes this many times the median of the others; 0 = wait for all. */
      readonly stragglerFactor: number;
    } & Limits)
  | ({
      readonly name: "adaptive_asha";
      readonly form: HalvingForm;
      readonly mode: AdaptiveMode;
      readonly trialsMax: number;
      readonly divisor: number;
      readonly rungsMax: number;
      /** Rungs of each bracket, most first; empty = by `mode`. */
      readonly bracketRungs: readonly number[];
    } & Limits);

/** Why a trial is over, as far as a search cares. */
export type ExitReason =
  /** The program ended by itself in good order. */
  | "finished"
  /** It was told to stop by this search, and did. */
  | "stopped"
  | "errored"
  | "canceled"
  /** The program declared its hyperparameters impossible. */
  | "invalid_hyperparameters";

export type SearchEvent =
  /** Once, first. */
  | { readonly type: "start" }
  /** An objective was measured. In any order, any number of times; NaN ranks worst. */
  | {
      readonly type: "report";
      readonly trial: number;
      readonly step: number;
      readonly objective: number;
    }
  /** The trial is over for good (retries are used up). At most one counts. */
  | { readonly type: "exit"; readonly trial: number; readonly reason: ExitReason }
  /**
   * The trial got its slots, or lost them without the search having asked. Optional: a method that
   * measures durations (the straggler rule) leaves the time in a queue out of them where it hears these.
   */
  | { readonly type: "granted" | "yielded"; readonly trial: number }
  /** Somebody else ends the experiment, with all its trials. Their ends are noted from here on, and nothing is decided any more. */
  | { readonly type: "end" }
  /** Time has passed; sent about once a second to methods that `wantsTicks`. */
  | { readonly type: "tick" };

export type SearchAction =
  /** Make trial `trial` and train it to `target`. */
  | {
      readonly type: "create";
      readonly trial: number;
      readonly hyperparameters: Hyperparameters;
      /** Seed for the training code, 0 … 2^31-1. */
      readonly seed: number;
      readonly target: number;
      readonly bracket: number;
      readonly cause: SearchCause;
    }
  /** Train (on) to `target`; a paused trial wants slots again. */
  | {
      readonly type: "train";
      readonly trial: number;
      readonly target: number;
      readonly cause: SearchCause;
    }
  /** Save a checkpoint and give the slots back; a later `train` may follow. */
  | { readonly type: "pause"; readonly trial: number; readonly cause: SearchCause }
  /**
   * Its result is in and does not count yet (`deterministic` only): it needs no slots until it is told
   * to train on. Whoever schedules may let it keep them while nobody else wants them.
   */
  | { readonly type: "hold"; readonly trial: number; readonly cause: SearchCause }
  /** End the trial in good order; an `exit` follows. */
  | { readonly type: "stop"; readonly trial: number; readonly cause: SearchCause }
  /** Nothing more will be asked. Sent once, when every trial is over. */
  | {
      readonly type: "finish";
      readonly outcome: "completed" | "errored" | "canceled";
      readonly cause: SearchCause;
    };

/** Why a search acted; stored with the act and shown by `why`. */
export interface SearchCause {
  readonly code:
    | "initial"
    | "successor"
    | "replacement"
    | "promoted"
    | "below_threshold"
    | "waiting_for_rung"
    | "waiting_in_order"
    | "rung_closed"
    | "straggler"
    | "reached_end"
    | "all_trials_over"
    | "replacements_used_up";
  /** One plain sentence with the figures in it. */
  readonly text: string;
  readonly standing?: Standing;
}

/** Where a trial stood when it was judged. */
export interface Standing {
  readonly bracket: number;
  readonly rung: number;
  /** The rung's step. */
  readonly step: number;
  /** As the user measured it (not sign-flipped). NaN is possible. */
  readonly objective: number;
  /** 1 = best of `of`. */
  readonly rank: number;
  readonly of: number;
  /** Ranks 1 … `passing` may go on. */
  readonly passing: number;
  /** The objective of the last rank that may go on; undefined while nobody may. */
  readonly threshold?: number;
  /** The field at that moment, best first, at most 64 around the threshold. */
  readonly competitors: readonly {
    readonly trial: number;
    /** null: it ended on the way here and never reported as far. */
    readonly objective: number | null;
  }[];
}

/** One rung as shown to people. */
export interface RungView {
  readonly bracket: number;
  readonly rung: number;
  readonly step: number;
  /** How many are expected to arrive here when known in advance. */
  readonly expected?: number;
  readonly entries: readonly {
    readonly trial: number;
    /** null: it ended on the way here and never reported as far. */
    readonly objective: number | null;
    /** What became of the trial here. */
    readonly outcome: "waiting" | "promoted" | "stopped" | "finished" | "failed";
  }[];
}

/**
 * A method over its own state `S`, which is plain JSON and carries `version`.
 * `step` consumes the state it is given (it may update it in place and return it): a caller that
 * needs the old one keeps a copy, and one whose commit failed loads it again.
 */
export interface SearchMethod<S> {
  initial(spec: SearchSpec): S;
  step(
    spec: SearchSpec,
    state: S,
    event: SearchEvent,
    nowMs: number,
  ): { state: S; actions: SearchAction[] };
  /** 0 … 1; never goes backwards over a search. */
  progress(spec: SearchSpec, state: S): number;
  rungs(spec: SearchSpec, state: S): readonly RungView[];
  readonly wantsTicks: boolean;
}

/** The length of a search that sets none: its trials train until their program is done. People and programs never see
 *  the number; they are told that there is no limit. */
export const UNBOUNDED_STEPS = Number.MAX_SAFE_INTEGER;
