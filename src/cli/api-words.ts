/**
 * The closed lists of the API as plain arrays, for options and their messages. The protocol has them as
 * zod enums; a command that only compares a word must not load zod, so they are repeated here and the
 * compiler (and a test) holds the two to each other.
 */
import type { ExperimentState, TrialState } from "../protocol/api.ts";

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
