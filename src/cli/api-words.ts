/**
 * The closed lists of the API as plain arrays, for options and their messages. The protocol has them as
 * zod enums; a command that only compares a word must not load zod, so they are repeated here and the
 * compiler (and a test) holds the two to each other.
 */
import type { ExperimentState, KeepReason, TrialState } from "../protocol/api.ts";

export const experimentState = [
  "active",
  "paused",
  "stopping",
  "completed",
  "canceled",
  "error",
] as const satisfies readonly ExperimentState[];

export const trialState = [
  "queued",
  "starting",
  "running",
  "pausing",
  "paused",
  "waiting",
  "stopping",
  "completed",
  "canceled",
  "error",
] as const satisfies readonly TrialState[];

/** Why checkpoints stay, after a number of them. */
export const KEEP_WORDS = {
  experiment_best: "among the best of their experiment",
  trial_best: "among the best of their trial",
  trial_latest: "among the latest of their trial",
  trial_not_over: "of trials that are not over",
  live_allocation: "that running allocations were started from",
  no_policy: "of experiments that keep all",
  pinned: "pinned",
  source: "that others started from",
  registered: "of registered models",
  replayed: "that replays are to be compared with",
} as const satisfies Record<KeepReason, string>;
