/**
 * One trial: what it is wanted to do, and what is known of the allocation that does it.
 *
 * The two are kept apart. A person or the search changes what is *wanted* at once; what *is* changes only
 * by facts from the runner or the engine. The state that people see is computed from both, so it can't
 * claim more than is known. Alternative refused: one state field that commands overwrite, which is how
 * neighbours come to show a stopped trial as running, or a running one as failed.
 */
import type { Hyperparameters } from "../space/space.ts";

export type EndReason =
  | "finished"
  | "stopped_by_search"
  | "killed_by_user"
  | "canceled_by_user"
  | "user_error"
  | "out_of_memory"
  | "no_progress"
  | "node_lost"
  | "launch_failed"
  | "invalid_hyperparameters"
  | "objective_missing"
  | "budget_reached"
  | "experiment_ended";

export type AllocationEnd =
  | "finished"
  | "paused"
  | "stopped"
  | "killed"
  | "user_error"
  | "out_of_memory"
  | "no_progress"
  | "node_lost"
  | "launch_failed"
  | "invalid_hyperparameters";

/** A live grant of slots. Plain JSON. */
export interface LiveAllocation {
  run: number;
  phase: "assigned" | "running";
  yield: "pause" | "stop" | null;
  kill: boolean;
  /** Steps up to this one come from the checkpoint it started from. */
  startStep: number;
  /** Since then its slots are in use. */
  sinceMs: number;
  /** Its engine has a queue of its own, and its program has not started: until then it has used nothing, and `sinceMs` is
   *  when it was granted. Absent = not so. */
  queued?: true;
  /** Its result is in and does not count yet: since then its slots stand idle. */
  idleSinceMs?: number;
  /** Of a task that serves: nobody has used it since then. Absent = somebody does, or nobody can tell. */
  unusedSinceMs?: number;
  /** It was heard to wait at this step: what its program saves there is saved. */
  waitsAt?: number;
}

/** Plain JSON: stored with the trial, read back as it is. */
export interface TrialState {
  readonly number: number;
  readonly bracket: number;
  readonly hyperparameters: Hyperparameters;
  readonly seed: number;
  /** Train to here, absolute; null = no limit that the program could know. */
  target: number | null;
  /** The search has paused it at a rung. */
  searchHold: boolean;
  /** A person has paused it. */
  userHold: boolean;
  /** It is to end, and why; set once, a kill may harden it. `instead`: of one that is to finish, what ends it where its
   *  program fails before its last step is saved; absent = then it is started again. */
  ending: {
    reason: EndReason;
    kill: boolean;
    text: string;
    instead?: { reason: EndReason; text: string };
  } | null;
  over: EndReason | null;
  /** One sentence: why it is as it is. */
  reason: string;
  allocation: LiveAllocation | null;
  /** Number of the latest allocation; 0 before the first. */
  run: number;
  /** Failures that counted. */
  restarts: number;
  /** Not before this wall time: backoff after a failure. */
  retryAtMs: number;
  /** The last step reported; falls back to the checkpoint's when a new allocation starts. */
  step: number;
  /** The last objective reported, the step it belongs to, and what the search was told it counts for. */
  objective: { step: number; value: number; resource: number } | null;
  best: { step: number; value: number } | null;
  checkpoint: { step: number; tree: string } | null;
  /** Its last program failed, or was lost, before what it had trained was saved. Absent = not so, or it runs again. */
  unsaved?: true;
  /** The search has heard all that it asked for, and says so in these words: what is left is to train to `target` once
   *  more, as that was not saved, and to end there. */
  reached?: string;
  invalid: string | null;
  /** Any metric name seen, for a helpful word when the objective is missing (at most 32). */
  metricNames: string[];
  slotMs: number;
  createdAtMs: number;
  startedAtMs: number | null;
  endedAtMs: number | null;
}

/** A trial that nothing has happened to yet. */
export function newTrial(
  choice: Pick<TrialState, "number" | "bracket" | "hyperparameters" | "seed" | "target">,
  nowMs: number,
): TrialState {
  const { number, bracket, hyperparameters, seed, target } = choice;
  return {
    number,
    bracket,
    hyperparameters,
    seed,
    target,
    searchHold: false,
    userHold: false,
    ending: null,
    over: null,
    reason: "created",
    allocation: null,
    run: 0,
    restarts: 0,
    retryAtMs: 0,
    step: 0,
    objective: null,
    best: null,
    checkpoint: null,
    invalid: null,
    metricNames: [],
    slotMs: 0,
    createdAtMs: nowMs,
    startedAtMs: null,
    endedAtMs: null,
  };
}

export type TrialStateName =
  | "queued"
  | "starting"
  | "running"
  | "pausing"
  | "paused"
  | "waiting"
  | "stopping"
  | "completed"
  | "canceled"
  | "error";

/** What people see. */
export function trialStateName(trial: TrialState, experimentPaused: boolean): TrialStateName {
  if (trial.over !== null) return endStateName(trial.over);
  if (trial.ending !== null) return "stopping";
  if (trial.allocation !== null) {
    if (trial.allocation.yield !== null || trial.allocation.kill) return "pausing";
    return trial.allocation.phase === "assigned" ? "starting" : "running";
  }
  // A person's word stands above the search's: nothing that it decides starts this trial again.
  if (trial.userHold) return "paused";
  if (trial.searchHold) return "waiting";
  return experimentPaused ? "paused" : "queued";
}

export function endStateName(reason: EndReason): "completed" | "canceled" | "error" {
  switch (reason) {
    case "finished":
    case "stopped_by_search":
    case "budget_reached":
      return "completed";
    case "killed_by_user":
    case "canceled_by_user":
    case "experiment_ended":
      return "canceled";
    default:
      return "error";
  }
}

/** Does it want slots that it does not have? */
export const wantsSlots = (trial: TrialState): boolean =>
  trial.over === null &&
  trial.ending === null &&
  !trial.searchHold &&
  !trial.userHold &&
  trial.allocation === null;

/** The end of all processes of an allocation, as the runner saw it. */
export interface ProcessesEnd {
  /** lease_expired: nobody has told; job_ended: its engine has, and its runner had nothing to say any more; all others
   *  are the runner's word. */
  readonly kind: "processes" | "launch_failed" | "runner_lost" | "lease_expired" | "job_ended";
  /** In the order in which they ended, but for the one that ended the others, which is first; the first that failed tells. */
  readonly exits: readonly {
    readonly code: number | null;
    readonly signal: string | null;
    /** Absent in what was stored before ranks were told apart. */
    readonly rank?: number | undefined;
  }[];
  readonly outOfMemory: string | null;
  readonly signalsSent: readonly string[];
  readonly yielded: boolean;
  /** The first of `exits` failed by itself, and whatever signals were sent were for the others; absent = it did not. */
  readonly broken?: boolean | undefined;
  /** The runner ended it because it had said nothing for so long; absent = that is not why it ended. */
  readonly silentMs?: number | undefined;
  /** Lines of output that it wrote, so that a reader knows when it has seen all. */
  readonly logLines: number;
  readonly detail: string;
}

/** The end of what nobody can see any more. */
export const lostWith = (detail: string): ProcessesEnd => untoldEnd("lease_expired", detail);

/** An end of which no runner has told anything. */
export const untoldEnd = (kind: ProcessesEnd["kind"], detail: string): ProcessesEnd => ({
  kind,
  exits: [],
  outOfMemory: null,
  signalsSent: [],
  yielded: false,
  logLines: 0,
  detail,
});

/**
 * What an allocation's end means. Only facts: what the kernel reported, what we had asked for, or a lease that ran out.
 * An exit with a code other than 0 is the program's failure even when it was told to yield; a death by a
 * signal that we had sent is ours, and so is whatever code a lone process ends with after our SIGTERM (launchers
 * turn the signal into a code of their own).
 */
export function classifyEnd(
  end: ProcessesEnd,
  asked: { yield: "pause" | "stop" | null; kill: boolean; invalid: boolean },
): { end: AllocationEnd; text: string } {
  if (end.kind === "runner_lost" || end.kind === "lease_expired")
    return { end: "node_lost", text: end.detail || "the runner on its node was lost" };
  if (end.kind === "job_ended") {
    if (asked.kill) return { end: "killed", text: `killed as ordered; ${end.detail}` };
    return { end: end.outOfMemory === null ? "user_error" : "out_of_memory", text: end.detail };
  }
  if (end.kind === "launch_failed")
    return { end: "launch_failed", text: end.detail || "its program could not be started" };
  const failed = end.exits.find((exit) => exit.code !== 0);
  const ours =
    failed?.signal !== null &&
    failed?.signal !== undefined &&
    end.signalsSent.includes(failed.signal);
  const signalToldByShell =
    failed?.code === 143 ? "SIGTERM" : failed?.code === 137 ? "SIGKILL" : undefined;
  const byShell = signalToldByShell !== undefined && end.signalsSent.includes(signalToldByShell);
  const afterOurs = asked.yield !== null && end.exits.length === 1 && end.signalsSent.length > 0;
  const weEndedIt =
    end.broken !== true && (ours || byShell || (afterOurs && end.outOfMemory === null));
  if (asked.kill && (weEndedIt || !failed)) return { end: "killed", text: "killed as ordered" };
  if (asked.invalid)
    return {
      end: "invalid_hyperparameters",
      text: "its program declared the hyperparameters invalid",
    };
  if (end.silentMs !== undefined)
    return { end: "no_progress", text: `${silentText(end.silentMs)}, so its runner ended it` };
  if (asked.yield !== null && (weEndedIt || (!failed && end.yielded)))
    return asked.yield === "pause"
      ? { end: "paused", text: "it gave its slots back as asked" }
      : { end: "stopped", text: "it stopped as asked" };
  if (failed && weEndedIt)
    return { end: "node_lost", text: end.detail || "its runner was stopped and ended it" };
  if (!failed) return { end: "finished", text: "its program ended by itself with exit code 0" };
  const who =
    end.exits.length > 1 && failed.rank !== undefined
      ? `rank ${failed.rank} of ${end.exits.length} ended first, and the others with it: `
      : "";
  if (end.outOfMemory !== null)
    return { end: "out_of_memory", text: `${who}it ran out of memory (${end.outOfMemory})` };
  return { end: "user_error", text: `${who}${describeFailure(failed)}` };
}

const silentText = (silentMs: number): string =>
  `it neither reported nor saved for ${(silentMs / 1000).toFixed(1)} s, longer than its progress_deadline`;

function describeFailure(exit: { code: number | null; signal: string | null }): string {
  if (exit.signal !== null)
    return `its program was killed by ${exit.signal}, which Contrail did not send`;
  const hint =
    exit.code === 126 ? " (not executable)" : exit.code === 127 ? " (command not found)" : "";
  return `its program ended with exit code ${exit.code}${hint}`;
}

export const RETRY_DELAY_MS_MAX = 30_000;

/** Wait before attempt n + 1, doubling from 0.25 s up to 30 s. */
export const retryDelayMs = (failures: number): number =>
  Math.min(RETRY_DELAY_MS_MAX, 250 * 2 ** Math.max(0, failures - 1));
