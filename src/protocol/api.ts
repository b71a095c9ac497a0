/**
 * The nouns of the public HTTP API (`/api/v1`), as zod: types, validation and OpenAPI come from here.
 * Field names are those of the configuration and of SQL (snake_case); times are RFC 3339 in UTC,
 * durations carry their unit; measured numbers may be the words NaN, Infinity, -Infinity.
 */
import { z } from "zod";
import { problemIssue } from "./errors.ts";
import { boundedJsonObject, tree, wireNumber } from "./runner-wire.ts";

const time = z.iso.datetime();
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
/** Ranks are stored in two bytes. */
const RANK_MAX = 32_767;
const PROVENANCE_CHARS_MAX = 256 * 1024;

/** Text that a database can hold: PostgreSQL knows no NUL. */
const text = (charsMax: number) =>
  z
    .string()
    .max(charsMax)
    .refine((value) => !value.includes("\0"), "must not contain a NUL character");

export const experimentIdParam = z.coerce.number().int().min(1).max(2147483647);
export const trialIdParam = z.string().regex(/^[1-9][0-9]{0,9}\.[1-9][0-9]{0,9}$/);

// ---- paging --------------------------------------------------------------------------------

export const pageQuery = z.strictObject({
  /** From `next_cursor` of the page before. */
  cursor: z.string().max(512).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(50),
});

export const page = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next_cursor: z.string().nullable() });

// ---- states --------------------------------------------------------------------------------

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
  "node_lost",
  "launch_failed",
  "invalid_hyperparameters",
]);
export type AllocationEnd = z.infer<typeof allocationEnd>;

// ---- search, plan, budget ------------------------------------------------------------------

export const standing = z.object({
  bracket: count,
  rung: count,
  step: count,
  objective: wireNumber,
  rank: count,
  of: count,
  passing: count,
  threshold: wireNumber.nullable(),
  competitors: z.array(z.object({ trial: z.string(), objective: wireNumber })),
});

export const rung = z.object({
  bracket: count,
  rung: count,
  step: count.nullable(), // null in the one rung of a search without a length
  expected: count.nullable(),
  entries: z.array(
    z.object({
      trial: z.string(),
      objective: wireNumber.nullable(), // null: it ended on the way here and never reported as far
      outcome: z.enum(["waiting", "promoted", "stopped", "finished", "failed"]),
    }),
  ),
});
export type Rung = z.infer<typeof rung>;

/** What is expected before a search starts; units are the experiment's steps. */
export const plan = z.object({
  searcher: z.string(),
  trials_max: count,
  /** `step` is null in the one rung of a search without a length. */
  rungs: z.array(z.object({ bracket: count, rung: count, step: count.nullable(), trials: count })),
  /** null where the search sets no length: a trial trains until its program is done. */
  steps_min: count.nullable(),
  steps_max: count.nullable(),
  steps_without_early_stopping: count.nullable(),
  slots_per_trial: count,
  slots: count,
});
export type Plan = z.infer<typeof plan>;

export const spent = z.object({
  trials: count,
  /** Work: what a restart repeats counts again. */
  steps: count,
  seconds: z.number(),
  slot_seconds: z.number(),
  /** Slot-hours times the declared price; null where none was declared. */
  money: z.object({ amount: z.number(), currency: z.string() }).nullable(),
  /** Slot-hours times the declared power: an estimate, not a measurement. */
  energy_kwh_estimated: z.number().nullable(),
});

// ---- experiments ---------------------------------------------------------------------------

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
});

// ---- trials --------------------------------------------------------------------------------

export const allocation = z.object({
  id: z.string(),
  run: count,
  /** Slots granted, e.g. cpu:0. */
  slots: z.array(z.string()),
  state: z.enum(["assigned", "running", "ended"]),
  /** Steps before this one come from the checkpoint that it started from. */
  start_step: count,
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
  end: allocationEnd.nullable(),
  /** As the kernel gave it. */
  exit_code: z.int().nullable(),
  signal: z.string().nullable(),
  reason: z.string(),
});

export const trial = z.object({
  id: z.string(),
  experiment: z.int(),
  number: count,
  state: trialState,
  reason: z.string(),
  end_reason: endReason.nullable(),
  hyperparameters: z.record(z.string(), z.json()),
  seed: z.int(),
  bracket: count,
  /** Where the search wants it to train to; null = on and on. */
  target: count.nullable(),
  /** The last step reported. */
  step: count,
  objective: wireNumber.nullable(),
  best: z.object({ step: count, objective: wireNumber }).nullable(),
  checkpoint: z.object({ id: z.string(), step: count }).nullable(),
  restarts: count,
  slot_seconds: z.number(),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
});
export type Trial = z.infer<typeof trial>;

export const trialDetail = trial.extend({
  allocations: z.array(allocation),
  /** The search's and the scheduler's decisions about it, oldest first. */
  decisions: z.array(
    z.object({
      at: time,
      what: z.enum(["create", "train", "pause", "stop"]),
      target: count.nullable(),
      code: z.string(),
      text: z.string(),
      standing: standing.nullable(),
    }),
  ),
  /** Metric names whose values were refused because they were not numbers: name → what they were. */
  refused_metrics: z.record(z.string(), z.string()),
  metric_names: z.array(z.string()),
  /** The last lines of its output when it failed. */
  last_lines: z.array(z.string()),
});
export type TrialDetail = z.infer<typeof trialDetail>;

export const trialsQuery = pageQuery.extend({
  state: trialState.optional(),
  /** `best`: by the objective, best first, those without one last. */
  order: z.enum(["number", "best"]).default("number"),
});

// ---- metrics, logs, checkpoints ------------------------------------------------------------

export const metricsQuery = z.strictObject({
  /** Comma-separated; absent = all. */
  names: text(4096).optional(),
  from_step: z.coerce.number().int().min(0).optional(),
  to_step: z.coerce.number().int().min(0).optional(),
  /** Thin each series to at most this many points (min, max, mean, last per bucket of steps). */
  points: z.coerce.number().int().min(1).max(10_000).optional(),
  /** Also what an earlier allocation reported past the checkpoint that a later one started from. */
  superseded: z.stringbool().default(false),
});

export const series = z.object({
  name: z.string(),
  /** All points in storage, superseded ones left out. */
  total: count,
  /** True when the points are buckets rather than reports. */
  thinned: z.boolean(),
  points: z.array(
    z.object({
      step: count,
      value: wireNumber,
      run: count,
      /** Of the bucket, when thinned. */
      min: wireNumber.optional(),
      max: wireNumber.optional(),
      mean: wireNumber.optional(),
      superseded: z.boolean().optional(),
    }),
  ),
});
export const metricsReply = z.object({
  trial: z.string(),
  unit: z.string(),
  series: z.array(series),
});
export type MetricsReply = z.infer<typeof metricsReply>;

export const logsQuery = z.strictObject({
  cursor: z.string().max(512).optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(1000),
  /** The last N lines instead of the first. */
  tail: z.coerce.number().int().min(1).max(10_000).optional(),
  rank: z.coerce.number().int().min(0).max(RANK_MAX).optional(),
  stream: z.enum(["stdout", "stderr"]).optional(),
  /** Lines that contain this text. */
  contains: z.string().min(1).max(200).optional(),
});

export const logEntry = z.object({
  /** Position in the stream; give it back as `cursor` to go on after it. */
  cursor: z.string(),
  trial: z.string(),
  run: count,
  at: time,
  rank: count,
  stream: z.enum(["stdout", "stderr"]),
  /** Shown form: invalid UTF-8 replaced. */
  text: z.string(),
  /** Base64 of the bytes as written, only where `text` could not show them exactly. */
  bytes: z.string().optional(),
  complete: z.boolean(),
});
export type LogEntry = z.infer<typeof logEntry>;

export const checkpoint = z.object({
  /** The hash of its tree. */
  id: z.string(),
  trial: z.string(),
  run: count,
  step: count,
  created_at: time,
  files: count,
  bytes: count,
  metadata: z.record(z.string(), z.json()),
  /** The searcher's metric at the same step, where there is one. */
  objective: wireNumber.nullable(),
});
export type Checkpoint = z.infer<typeof checkpoint>;
export const checkpointDetail = checkpoint.extend({ tree });
export type CheckpointDetail = z.infer<typeof checkpointDetail>;

// ---- slots, jobs, datasets, access ---------------------------------------------------------

export const slot = z.object({
  id: z.string(),
  kind: z.enum(["gpu", "cpu"]),
  node: z.string(),
  description: z.string(),
  /** The allocation that holds it. */
  allocation: z.string().nullable(),
  since: time.nullable(),
});
export type Slot = z.infer<typeof slot>;

export const job = z.object({
  experiment: z.int(),
  name: z.string(),
  owner: z.string(),
  priority: z.int(),
  submitted_at: time,
  running: count,
  queued: count,
  slots_held: count,
  /** For each trial that waits, what it waits for, in queue order (at most 20). */
  waiting: z.array(z.object({ trial: z.string(), reason: z.string() })),
});
export type Job = z.infer<typeof job>;

export const dataset = z.object({
  name: z.string(),
  version: count,
  snapshot: hash,
  files: count,
  bytes: count,
  created_at: time,
});
export type Dataset = z.infer<typeof dataset>;
const datasetName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,127}$/, "must be 1 to 128 of a-z 0-9 . _ -, a-z or 0-9 first");
export const createDatasetRequest = z.strictObject({ name: datasetName, tree });
/** `created` is false when this very content is a version already. */
export const createDatasetReply = dataset.extend({ created: z.boolean() });
export type CreateDatasetReply = z.infer<typeof createDatasetReply>;

export const loginRequest = z.union([
  z.strictObject({ one_time_token: z.string().max(256) }),
  z.strictObject({ user: text(128), password: z.string().max(1024) }),
]);
export const loginReply = z.object({
  token: z.string(),
  user: z.string(),
  expires_at: time.nullable(),
});
export type LoginReply = z.infer<typeof loginReply>;

export const tokenScope = z.enum(["user", "read"]);
export const token = z.object({
  id: z.string(),
  name: z.string(),
  scope: tokenScope,
  created_at: time,
  expires_at: time.nullable(),
  last_used_at: time.nullable(),
});
export const createTokenRequest = z.strictObject({
  name: text(128).min(1),
  scope: tokenScope.default("user"),
  /** Seconds from now; absent = 90 days. */
  lifetime_s: z.int().min(1).max(315_360_000).default(7_776_000),
});
export const createTokenReply = token.extend({ token: z.string() });

export const health = z.object({
  status: z.enum(["ready", "starting", "stopping"]),
  version: z.string(),
});
export type Health = z.infer<typeof health>;

export const serverInfo = z.object({
  version: z.string(),
  user: z.string(),
  scope: z.string(),
  slots: count,
  data_dir: z.string(),
  postgres: z.enum(["embedded", "external"]),
  started_at: time,
});
export type ServerInfo = z.infer<typeof serverInfo>;

// ---- the log of changes and live streams -----------------------------------------------------

export const change = z.object({
  seq: count,
  at: time,
  actor: z.string(),
  /** e.g. "trial 3.12". */
  subject: z.string(),
  what: z.string(),
  cause: z.string(),
});
export type Change = z.infer<typeof change>;

/** One change as it is chained; `hash` covers it and the one before (docs/audit.md). */
export const auditChange = z.object({
  seq: count,
  at: time,
  actor: z.string(),
  /** The experiment it belongs to; null for people, tokens, datasets and the server itself. */
  experiment: z.int().nullable(),
  subject: z.string(),
  what: z.string(),
  cause: z.string(),
  hash: z.string(),
});
export type AuditChange = z.infer<typeof auditChange>;

export const auditQuery = pageQuery.extend({
  experiment: experimentIdParam.optional(),
  trial: trialIdParam.optional(),
  actor: text(500).optional(),
  /** What it begins with: "granted" finds "granted cpu:0". */
  what: text(200).optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  /** Not included. */
  until: z.iso.datetime({ offset: true }).optional(),
  order: z.enum(["newest", "oldest"]).default("newest"),
});

export const chainEnd = z.object({ seq: count, hash });
export type ChainEnd = z.infer<typeof chainEnd>;

export const auditVerifyQuery = z.strictObject({
  /** Go on after this event, which an earlier answer gave as `last`; absent = from the beginning. */
  after_seq: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  after_hash: hash.optional(),
  /** An end that was noted down before: the log must still hold it. */
  expect_seq: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  expect_hash: hash.optional(),
  /** How many events to look at in one answer. */
  limit: z.coerce.number().int().min(1).max(1_000_000).default(100_000),
});

export const auditVerdict = z.object({
  /** False when an event does not fit. With `complete` false and `ok` true there is more to look at. */
  ok: z.boolean(),
  complete: z.boolean(),
  /** Events that fit, in this answer. */
  checked: count,
  /** The last event that fits: note it down to find out later whether the end was cut off. */
  last: chainEnd,
  /** The first event that does not fit. */
  misfit: z
    .object({
      kind: z.enum(["sequence", "hash", "anchor", "truncated"]),
      /** The place in the chain where it breaks. */
      seq: count,
      expected: z.string(),
      found: z.string(),
      text: z.string(),
      change: auditChange.nullable(),
    })
    .nullable(),
});
export type AuditVerdict = z.infer<typeof auditVerdict>;

// ---- why -------------------------------------------------------------------------------------

export const whyKind = z.enum(["experiment", "trial", "allocation", "slot", "searcher"]);
export type WhyKind = z.infer<typeof whyKind>;

/** One sentence of an answer, and what it rests on. */
export const whyReason = z.object({
  /** From the closed list in docs/audit.md. */
  code: z.string(),
  text: z.string(),
  /** When it came to be, where there is such a moment. */
  at: time.nullable(),
  /** Who: a person's name, `search`, `scheduler`, `runner`, `budget` or `contrail`. */
  actor: z.string().nullable(),
  /** Events of the log that say so. */
  events: z.array(count),
  /** The figures in the sentence, by name. */
  figures: z.record(z.string(), z.json()),
});
export type WhyReason = z.infer<typeof whyReason>;

/** Why a thing is as it is: first the reason for its state, then how it came there, oldest first. */
export const why = z.object({
  kind: whyKind,
  id: z.string(),
  state: z.string(),
  reasons: z.array(whyReason),
  /** The end of its output, where it failed. */
  last_lines: z.array(z.string()),
});
export type Why = z.infer<typeof why>;

/**
 * `GET /api/v1/experiments/:id/stream` (server-sent events). Each event carries whole current things,
 * so a reader that missed some only lacks the ones in between: `experiment` (Experiment), `trials`
 * (Trial[] that changed), `rungs` (Rung[]), and `end` when the experiment is over. On connection
 * everything is sent once. A slow reader gets fewer, later events; it never slows anyone down.
 */
export type StreamEvent =
  | { readonly event: "experiment"; readonly data: Experiment }
  | { readonly event: "trials"; readonly data: readonly Trial[] }
  | { readonly event: "rungs"; readonly data: readonly Rung[] }
  | { readonly event: "end"; readonly data: Experiment };
