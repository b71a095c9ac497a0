/** What a trial's end is to the search, and what a search's stop is to the trial; the sentences for ends that we decide. */
import type { ExitReason, SearchCause } from "../search/search.ts";
import type {
  AllocationEnd,
  EndReason,
  LiveAllocation,
  ProcessesEnd,
  TrialState,
} from "./trial.ts";

/** A trial that trained as far as the search goes has finished; any other stop was a judgement. */
export const stopReason = (cause: SearchCause): EndReason =>
  cause.code === "reached_end" ? "finished" : "stopped_by_search";

/** How far it was to train; where no step was named, how far it came. */
export const goalOf = ({ target, step }: TrialState): number => target ?? step;

/**
 * Was what it trained lost with its program? A checkpoint of the step says no, and so does a program that was heard to
 * wait there, or to have left its loop as told: it saves before both, where it saves at all. One that ends with exit
 * code 0 has saved all that it wants to keep.
 */
export function leftUnsaved(
  trial: TrialState,
  { waitsAt = -1 }: LiveAllocation,
  exits: ProcessesEnd,
  end: AllocationEnd,
): boolean {
  if (exits.yielded) return false;
  switch (end) {
    case "user_error":
    case "out_of_memory":
    case "no_progress":
    case "node_lost":
      return Math.max(trial.checkpoint?.step ?? -1, waitsAt) < goalOf(trial);
    default:
      return false;
  }
}

export const unsavedText = (text: string, step: number): string =>
  `${text}, before a checkpoint of step ${step}, the last that was asked for, was saved`;

export function searchExit(reason: EndReason): ExitReason {
  switch (reason) {
    case "finished":
      return "finished";
    case "stopped_by_search":
    case "budget_reached":
      return "stopped";
    case "killed_by_user":
    case "canceled_by_user":
    case "experiment_ended":
      return "canceled";
    case "invalid_hyperparameters":
      return "invalid_hyperparameters";
    default:
      return "errored";
  }
}

/** @param seen names of what it did report */
export function missingText(
  metric: string,
  field: string,
  step: number,
  seen: readonly string[],
): string {
  const reported =
    seen.length === 0 ? "no metric was reported" : `reported were: ${seen.join(", ")}`;
  return `the metric "${metric}" (${field}) was not reported by step ${step}; ${reported}. Report it, or name another in ${field}`;
}

/** Of a task that is paused for it. */
export function unusedText(unusedMs: number): string {
  const seconds = Math.max(0, Math.round(unusedMs / 1000));
  const span = seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} minutes`;
  return `nobody used it for ${span}, as long as its task.idle_timeout allows; its folder is kept and its slots are given back`;
}

export const timeUpText = (metric: string, time: number, max: number): string =>
  `it trained until "${metric}" (searcher.time_metric) was ${time}, as far as it was asked to: searcher.max_time is ${max}`;

export const endlessTimeText = (metric: string, time: number, step: number): string =>
  `the metric "${metric}" (searcher.time_metric) was ${time} at step ${step}; it counts what was trained so far and must be a finite number`;
