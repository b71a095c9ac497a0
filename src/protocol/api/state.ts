/** The words for states and ends, closed lists all of them. */
import { z } from "zod";

export const experimentState = z.enum([
  "active",
  "paused",
  /** An end was asked for; its trials are still being brought down. */
  "stopping",
  "completed",
  "canceled",
  "error",
]);
export type ExperimentState = z.infer<typeof experimentState>;

export const trialState = z.enum([
  /** Wants slots. */
  "queued",
  /** Has slots; its processes are being started. */
  "starting",
  "running",
  /** Told to save and give its slots back. */
  "pausing",
  /** Paused by a person, or with its experiment. */
  "paused",
  /** Paused at a rung by the search; it may go on later. */
  "waiting",
  /** Told to end; not gone yet. */
  "stopping",
  "completed",
  "canceled",
  "error",
]);
export type TrialState = z.infer<typeof trialState>;

export const endReason = z.enum([
  "finished",
  "stopped_by_search",
  "killed_by_user",
  "canceled_by_user",
  "user_error",
  "out_of_memory",
  "no_progress",
  "node_lost",
  "launch_failed",
  "invalid_hyperparameters",
  "objective_missing",
  "budget_reached",
  "experiment_ended",
]);
export type EndReason = z.infer<typeof endReason>;

/** Why an allocation ended; only some of these lead to another one. */
export const allocationEnd = z.enum([
  "finished",
  "paused",
  "stopped",
  "killed",
  "user_error",
  "out_of_memory",
  "no_progress",
  "node_lost",
  "launch_failed",
  "invalid_hyperparameters",
]);
export type AllocationEnd = z.infer<typeof allocationEnd>;
