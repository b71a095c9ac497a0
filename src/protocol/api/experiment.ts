/** Experiments: shown, listed, submitted. */
import { z } from "zod";
import { problem, problemIssue } from "../errors.ts";
import { boundedJsonObject, tree, wireNumber } from "../runner-wire.ts";
import { count, hash, pageQuery, text, time } from "./common.ts";
import { plan, spent } from "./plan.ts";
import { experimentState } from "./state.ts";

const PROVENANCE_CHARS_MAX = 256 * 1024;

export const experiment = z.object({
  id: z.int(),
  name: z.string(),
  description: z.string().nullable(),
  labels: z.array(z.string()),
  workspace: z.string(),
  project: z.string(),
  owner: z.string(),
  state: experimentState,
  /** Why it is in this state. */
  reason: z.string(),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
  progress: z.number(),
  unit: z.string(),
  searcher: z.object({
    name: z.string(),
    metric: z.string(),
    smaller_is_better: z.boolean(),
    /** Why this searcher: named in the configuration, or chosen and why. */
    reason: z.string(),
  }),
  trials: z.object({
    total: count,
    queued: count,
    running: count,
    paused: count,
    completed: count,
    canceled: count,
    error: count,
  }),
  best: z.object({ trial: z.string(), step: count, objective: wireNumber }).nullable(),
  plan,
  spent,
  /** Hash of the code snapshot, null when none was given. */
  code: hash.nullable(),
  /** Left out of the usual lists since. */
  archived_at: time.nullable(),
  /** Deleted, and can be restored until then. */
  deleted: z.object({ at: time, by: z.string(), restorable_until: time }).nullable(),
});
export type Experiment = z.infer<typeof experiment>;

/** One experiment with what is too large for a list. */
export const experimentDetail = experiment.extend({
  /** The resolved configuration and the text as submitted. */
  config: z.json(),
  config_text: z.string(),
  /** Name in `data` → the dataset version that was resolved at submission. */
  data: z.record(z.string(), z.json()),
  seed: z.int(),
  /** What the client could tell about where it comes from: folder, command line, host, git facts. */
  provenance: z.record(z.string(), z.json()),
});
export type ExperimentDetail = z.infer<typeof experimentDetail>;

export const createExperimentRequest = z.strictObject({
  /** YAML as the person wrote it; faults point into it. */
  config: z.string().max(1_048_576),
  /** The code snapshot; its blobs must have been uploaded. null = no code. */
  code: tree.nullable(),
  /** What the client could tell about where this comes from (git facts, command line, host …). */
  provenance: boundedJsonObject({ depthMax: 32, charsMax: PROVENANCE_CHARS_MAX }).default({}),
  /** False leaves it paused. */
  activate: z.boolean().default(true),
  /** Only check and plan; nothing is made. */
  dry_run: z.boolean().default(false),
});
export type CreateExperimentRequest = z.infer<typeof createExperimentRequest>;

export const createExperimentReply = z.object({
  /** null for a dry run. */
  experiment: experiment.nullable(),
  plan,
  searcher_reason: z.string(),
  warnings: z.array(problemIssue),
});
export type CreateExperimentReply = z.infer<typeof createExperimentReply>;

export const experimentsQuery = pageQuery.extend({
  state: experimentState.optional(),
  label: text(256).optional(),
  /** `current`: neither archived nor deleted. `deleted`: those that can be restored. */
  show: z.enum(["current", "archived", "deleted"]).default("current"),
});

export const experimentAct = z.enum(["archive", "unarchive", "delete", "restore"]);
export type ExperimentAct = z.infer<typeof experimentAct>;

const ACTED_ON_MAX = 1000;
export const experimentsActRequest = z.strictObject({
  ids: z.array(z.int().min(1).max(2_147_483_647)).min(1).max(ACTED_ON_MAX),
});
/** One for each id that was given, in that order. */
export const experimentsActReply = z.object({
  items: z.array(
    z.object({
      id: z.int(),
      /** False: it was so already, or `problem` says why not. */
      changed: z.boolean(),
      experiment: experiment.nullable(),
      problem: problem.nullable(),
    }),
  ),
});
export type ExperimentsActReply = z.infer<typeof experimentsActReply>;
