/** Experiments: shown, listed, submitted. */
import { z } from "zod";
import { TASK_KINDS } from "../config/task-kinds.ts";
import { problem, problemIssue } from "../errors.ts";
import { SORT_WORDS } from "../experiment-filter/fields.ts";
import { FILTER_CHARS_MAX } from "../experiment-filter/parse.ts";
import { boundedJsonObject, tree, wireNumber } from "../runner-wire.ts";
import { ancestry, descendants, parentGiven } from "./ancestry.ts";
import { count, hash, pageQuery, text, time } from "./common.ts";
import { layerGiven, templateReference } from "./layer.ts";
import { plan, spent } from "./plan.ts";
import { experimentState } from "./state.ts";
import { experimentVerdict } from "./verdict.ts";

/** As in the configuration. */
const NAME_CHARS_MAX = 200;
const LABEL_CHARS_MAX = 200;
const ONE_LINE = /^[^\r\n]*$/;
const PROVENANCE_CHARS_MAX = 256 * 1024;

export const experimentTask = z.object({
  kind: z.enum(TASK_KINDS),
  /** null = it may be idle for ever. */
  idle_timeout_s: z.number().nullable(),
  /** Nobody has used it since then; null = somebody does, or nobody can tell, or it has no slots. */
  idle_since: time.nullable(),
});

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
    /** Of `total`, those made in place of one whose hyperparameters were impossible: `plan.trials_max` leaves them out. */
    replacements: count,
  }),
  best: z.object({ trial: z.string(), step: count, objective: wireNumber }).nullable(),
  plan,
  spent,
  /** Hash of the code snapshot, null when none was given. */
  code: hash.nullable(),
  /** The versions of data that it reads, such as digits@2, in order of name. */
  datasets: z.array(z.string()),
  /** Whether trials of it came out the same when they were run again; null = none was. */
  verdict: experimentVerdict.nullable(),
  /** Left out of the usual lists since. */
  archived_at: time.nullable(),
  /** Deleted, and can be restored until then. */
  deleted: z.object({ at: time, by: z.string(), restorable_until: time }).nullable(),
  /** What people wrote about it afterwards. */
  notes: z.string(),
  /** What it is besides; null = an ordinary experiment. */
  task: experimentTask.nullable(),
  /** Its place in the queue, 1 first; experiments of one priority go by the time of submission. */
  priority: z.int(),
});
export type Experiment = z.infer<typeof experiment>;

/** One experiment with what is too large for a list. */
export const experimentDetail = experiment.extend({
  /** The resolved configuration and the text as submitted. */
  config: z.json(),
  config_text: z.string(),
  /** Name in `data` → the dataset version that was resolved at submission; `foreign` where an import left it as none here. */
  data: z.record(z.string(), z.json()),
  seed: z.int(),
  /** What the client could tell about where it comes from: folder, command line, host, git facts. */
  provenance: z.record(z.string(), z.json()),
  /** Values that its author did not write, by where they come from: template, workspace, pool. */
  layers: z.array(layerGiven),
  /** What it was made from; null = written from nothing. */
  ancestry: ancestry.nullable(),
  /** What was made from it. */
  descendants,
});
export type ExperimentDetail = z.infer<typeof experimentDetail>;

export const createExperimentRequest = z.strictObject({
  /** YAML as the person wrote it; faults point into it. */
  config: z.string().max(1_048_576),
  /** The code snapshot; its blobs must have been uploaded. null = no code. */
  code: tree.nullable(),
  /** What the client could tell about where this comes from (git facts, command line, host …). */
  provenance: boundedJsonObject({ depthMax: 32, charsMax: PROVENANCE_CHARS_MAX }).default({}),
  /** In place of the template that the configuration names. */
  template: templateReference.optional(),
  /** What it is made from, if anything. */
  parent: parentGiven.optional(),
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
  /** What its steps are. */
  unit: z.string(),
  searcher_reason: z.string(),
  warnings: z.array(problemIssue),
  /** Values that come from elsewhere: template, workspace, pool. */
  layers: z.array(layerGiven),
});
export type CreateExperimentReply = z.infer<typeof createExperimentReply>;

export const checkExperimentRequest = z.strictObject({ config: z.string().max(1_048_576) });
/** What a submission would be answered. A refusal is an answer here: a text that is being written has faults. */
export const checkExperimentReply = z.object({
  accepted: createExperimentReply.nullable(),
  refused: z
    .object({
      code: z.string(),
      message: z.string(),
      hint: z.string(),
      issues: z.array(problemIssue),
    })
    .nullable(),
});
export type CheckExperimentReply = z.infer<typeof checkExperimentReply>;

export const experimentsQuery = pageQuery.extend({
  state: experimentState.optional(),
  label: text(256).optional(),
  /** `current`: neither archived nor deleted. `deleted`: those that can be restored. */
  show: z.enum(["current", "archived", "deleted"]).default("current"),
  /** In the language of docs/filters.md; every fault of it is reported with its column. */
  filter: text(FILTER_CHARS_MAX).optional(),
  /** What to sort by; `-` before it turns the order round. */
  sort: z
    .string()
    .regex(/^-?[a-z]{1,20}$/)
    .refine((sort) => (SORT_WORDS as readonly string[]).includes(sort.replace("-", "")), {
      message: `must be one of ${SORT_WORDS.join(", ")}, with or without a - before it`,
    })
    .default("-id"),
});

/** What a person may change of an experiment afterwards; what is left out stays. */
export const LABELS_MAX = 100;
const labels = z
  .array(text(LABEL_CHARS_MAX).min(1).regex(ONE_LINE, "must be one line"))
  .max(LABELS_MAX);

export const updateExperimentRequest = z
  .strictObject({
    name: text(NAME_CHARS_MAX).min(1).regex(ONE_LINE, "must be one line").optional(),
    description: text(20_000).nullable().optional(),
    notes: text(100_000).optional(),
    /** In place of those that there are. */
    labels: labels.optional(),
    /** Beside those that there are, so that many can be labelled without knowing what each one has. */
    add_labels: labels.min(1).optional(),
    remove_labels: labels.min(1).optional(),
    /** 1 is first. Applied to the queue at once; what runs goes on. */
    priority: z.int().min(1).max(99).optional(),
  })
  .refine((body) => Object.keys(body).length > 0, "must name at least one field to change")
  .refine(
    (body) =>
      body.labels === undefined ||
      (body.add_labels === undefined && body.remove_labels === undefined),
    "labels replaces all of them; leave it out beside add_labels and remove_labels",
  );
export type UpdateExperiment = z.infer<typeof updateExperimentRequest>;

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
