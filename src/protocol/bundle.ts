/**
 * What a bundle is made of: a folder that says of one trial, or of a whole experiment, everything that the server that
 * trained it knows, readable without any server. docs/export.md describes it to people and to other programs.
 *
 * Most of it is lines of JSON, one for each thing; this is their shape, on the wire (`GET /experiments/:id/bundle`)
 * as in the files. A line may get fields that are not known here: an older program reads past them. What is known
 * keeps its meaning for as long as the number in `BUNDLE_FORMAT` stays.
 */
import { z } from "zod";
import { ancestry } from "./api/ancestry.ts";
import { count, hash, RANK_MAX, time } from "./api/common.ts";
import { allocationEnd, endReason, experimentState, trialState } from "./api/state.ts";
import { verdictDetail, verdictState } from "./api/verdict.ts";
import { recordPart } from "./record-part.ts";
import { wireNumber } from "./runner-wire.ts";

export const BUNDLE_FORMAT = "contrail-bundle/1";

/** Stored in four bytes. */
const smallCount = z.int32().min(0);
/** One that PostgreSQL can hold: to the microsecond, and there was no year 0. */
export const bundleTime = time
  .max(27)
  .refine((value) => !value.startsWith("0000"), "must be after the year 0");

const trialNumber = z.int32().min(1);
const run = z.int32().min(1);
const step = z.int().min(0);
const best = z.object({ trial: trialNumber, step, objective: wireNumber });
const jsonObject = z.record(z.string(), z.json());

export const bundleExperiment = z.object({
  /** Its number at its origin. */
  id: z.int().min(1),
  name: z.string(),
  description: z.string().nullable(),
  labels: z.array(z.string()).max(1000),
  workspace: z.string(),
  project: z.string(),
  owner: z.string(),
  state: experimentState,
  reason: z.string(),
  /** Resolved, and the text that it was resolved from. */
  config: jsonObject,
  config_text: z.string(),
  /** Name → the dataset version that was resolved at submission. */
  data: jsonObject,
  seed: z.int(),
  /** Hash of the code snapshot. */
  code: hash.nullable(),
  provenance: jsonObject,
  /** What it was made from, with the numbers of its origin; null where it was written from nothing. */
  ancestry: ancestry.nullable(),
  plan: z.json(),
  searcher_reason: z.string(),
  search_spec: z.json(),
  progress: z.number().min(0).max(1),
  best: best.nullable(),
  steps: count,
  slot_ms: count,
  notes: z.string(),
  priority: z.int(),
  created_at: bundleTime,
  started_at: bundleTime.nullable(),
  ended_at: bundleTime.nullable(),
});
export type BundleExperiment = z.infer<typeof bundleExperiment>;

export const bundleTrial = z.object({
  number: trialNumber,
  state: trialState,
  /** Null where it was not over when the bundle was made. */
  end_reason: endReason.nullable(),
  reason: z.string(),
  hyperparameters: jsonObject,
  seed: z.int(),
  bracket: smallCount,
  target: step.nullable(),
  step,
  objective: wireNumber.nullable(),
  best: best.omit({ trial: true }).nullable(),
  checkpoint: z.object({ id: hash, step }).nullable(),
  restarts: smallCount,
  slot_ms: count,
  refused_metrics: z.record(z.string(), z.string()),
  created_at: bundleTime,
  started_at: bundleTime.nullable(),
  ended_at: bundleTime.nullable(),
});
export type BundleTrial = z.infer<typeof bundleTrial>;

/** One allocation of a trial. */
export const bundleRun = z.object({
  trial: trialNumber,
  run,
  runner: z.string(),
  slots: z.array(z.string()).max(100_000),
  state: z.enum(["assigned", "running", "ended"]),
  start_step: step,
  /** The checkpoint that it started from. */
  restored: hash.nullable(),
  end: allocationEnd.nullable(),
  exit_code: z.int32().nullable(),
  signal: z.string().nullable(),
  exit_detail: jsonObject.nullable(),
  log_lines: count.nullable(),
  reason: z.string(),
  created_at: bundleTime,
  started_at: bundleTime.nullable(),
  ended_at: bundleTime.nullable(),
  exit_heard_at: bundleTime.nullable(),
});
export type BundleRun = z.infer<typeof bundleRun>;

export const bundleDecision = z.object({
  trial: trialNumber,
  /** Counts the decisions of the experiment. */
  seq: z.int32().min(1),
  at: bundleTime,
  what: z.enum(["create", "train", "pause", "stop"]),
  target: step.nullable(),
  code: z.string(),
  text: z.string(),
  /** How it stood against others; NaN and the infinities are {"$number": "NaN"} and so on. */
  standing: z.json(),
});
export type BundleDecision = z.infer<typeof bundleDecision>;

/** What the search was told, and what it answered; the same for numbers as above. */
export const bundleSearchEvent = z.object({
  seq: z.int32().min(1),
  at_ms: z.int(),
  event: z.json(),
  actions: z.array(z.json()),
});
export type BundleSearchEvent = z.infer<typeof bundleSearchEvent>;

/** A report in which there was no number; all others are in the metrics. */
export const bundleReport = z.object({
  ...{ trial: trialNumber, run, seq: z.int().min(1), step, at: bundleTime },
});
export type BundleReport = z.infer<typeof bundleReport>;

export const bundleCheckpoint = z.object({
  trial: trialNumber,
  run,
  step,
  /** The hash of its list of files. */
  id: hash,
  files: smallCount,
  bytes: count,
  metadata: jsonObject,
  created_at: bundleTime,
  /** When and why its files were given up at the origin. */
  deleted: z.object({ at: bundleTime, why: z.string() }).nullable(),
});
export type BundleCheckpoint = z.infer<typeof bundleCheckpoint>;

/** Machine, system, interpreter and packages of runs, by the hash that their records name. */
export const bundleEnvironment = z.object({ hash, document: recordPart, at: bundleTime });
export type BundleEnvironment = z.infer<typeof bundleEnvironment>;

/** What was around a run: of its runner, and of its program's own helper where it has one (docs/record.md). */
export const bundleRecord = z.object({
  ...{ trial: trialNumber, run, source: z.enum(["program", "runner"]), at: bundleTime },
  environment: hash.nullable(),
  document: recordPart,
});
export type BundleRecord = z.infer<typeof bundleRecord>;

/** What came of running a trial again from its record. */
export const bundleVerdict = z.object({
  trial: trialNumber,
  at: bundleTime,
  state: verdictState,
  text: z.string(),
  /** The number at the origin of the experiment that repeated it. */
  replay: z.int().nullable(),
  detail: verdictDetail,
  asked_by: z.string(),
});
export type BundleVerdict = z.infer<typeof bundleVerdict>;

/** A line of output. `text` shows it; `bytes` is there where text cannot. */
export const bundleLogLine = z.object({
  ...{ trial: trialNumber, run, line: z.int().min(1), at: bundleTime, rank: count.max(RANK_MAX) },
  stream: z.enum(["stdout", "stderr"]),
  text: z.string(),
  /** Base64. */
  bytes: z.string().optional(),
  /** False where the line was cut because of its length. */
  complete: z.boolean(),
});
export type BundleLogLine = z.infer<typeof bundleLogLine>;

/** An event of the log of changes, with its hash and that of the event before it (docs/audit.md). */
export const bundleAuditEvent = z.object({
  seq: z.int().min(1),
  at: z.string(),
  actor: z.string(),
  experiment: z.int().nullable(),
  subject: z.string(),
  what: z.string(),
  cause: z.string(),
  hash,
  previous: hash,
});
export type BundleAuditEvent = z.infer<typeof bundleAuditEvent>;

export const EXPERIMENT_FILE = "experiment.json";
export const METRICS_FILE = "metrics.csv";
/**
 * In a bundle of an experiment that was itself imported: manifest, experiment and log of changes of the bundle that it
 * came in, and in a folder of this name again where that one came from, for as long as the way was.
 */
export const ORIGIN_FOLDER = "origin";
export const AUDIT_FILE = "audit.jsonl";
/** What stays of a bundle as it was, beside what becomes rows. */
export const KEPT_FILES: readonly string[] = [EXPERIMENT_FILE, AUDIT_FILE];
/** The parts that are lines, with the file that each stands in. The experiment itself is one object. */
export const BUNDLE_PARTS = {
  trial: { file: "trials.jsonl", schema: bundleTrial },
  run: { file: "runs.jsonl", schema: bundleRun },
  decision: { file: "decisions.jsonl", schema: bundleDecision },
  search: { file: "search.jsonl", schema: bundleSearchEvent },
  report: { file: "reports.jsonl", schema: bundleReport },
  checkpoint: { file: "checkpoints.jsonl", schema: bundleCheckpoint },
  environment: { file: "environments.jsonl", schema: bundleEnvironment },
  record: { file: "records.jsonl", schema: bundleRecord },
  verdict: { file: "verdicts.jsonl", schema: bundleVerdict },
  log: { file: "log.jsonl", schema: bundleLogLine },
  audit: { file: AUDIT_FILE, schema: bundleAuditEvent },
} as const;
export type BundlePart = keyof typeof BUNDLE_PARTS;

/** What the bundle is about, and what is compared when one is imported twice: the same files, the same origin. */
export const RECORD_FILES: readonly string[] = [
  EXPERIMENT_FILE,
  METRICS_FILE,
  ...Object.values(BUNDLE_PARTS).map(({ file }) => file),
];

/** One line of the wire. The last is `end`: without it the answer was cut off. */
export const bundleLine = z.discriminatedUnion("part", [
  z.object({
    part: z.literal("origin"),
    row: z.object({
      version: z.string(),
      by: z.string(),
      /** The snapshot of what came along when it was imported; absent where it was trained here. */
      imported: hash.optional(),
    }),
  }),
  z.object({ part: z.literal("experiment"), row: bundleExperiment }),
  z.object({ part: z.literal("trial"), row: bundleTrial }),
  z.object({ part: z.literal("run"), row: bundleRun }),
  z.object({ part: z.literal("decision"), row: bundleDecision }),
  z.object({ part: z.literal("search"), row: bundleSearchEvent }),
  z.object({ part: z.literal("report"), row: bundleReport }),
  z.object({ part: z.literal("checkpoint"), row: bundleCheckpoint }),
  z.object({ part: z.literal("environment"), row: bundleEnvironment }),
  z.object({ part: z.literal("record"), row: bundleRecord }),
  z.object({ part: z.literal("verdict"), row: bundleVerdict }),
  z.object({ part: z.literal("log"), row: bundleLogLine }),
  z.object({ part: z.literal("audit"), row: bundleAuditEvent }),
  z.object({ part: z.literal("end"), row: z.object({ lines: count }) }),
]);
export type BundleLine = z.infer<typeof bundleLine>;

const bundleTree = z.object({
  hash,
  files: count,
  bytes: count,
  /** Whether the files themselves are in the bundle, and in which folder. */
  folder: z.string().nullable(),
});

export const bundleManifest = z.object({
  format: z.literal(BUNDLE_FORMAT),
  /** SHA-256 of this very file with 64 zeros in this place. */
  self: hash,
  /** The name of the files that the record is: their paths, sizes and hashes as a snapshot (docs/export.md). */
  content: hash,
  made_at: bundleTime,
  made_by: z.string(),
  contrail: z.string(),
  origin: z.object({
    /** Where it was asked for; an address, no proof. */
    server: z.string(),
    experiment: z.int().min(1),
    name: z.string(),
    /** All of the experiment's, or one. */
    trials: z.array(trialNumber).max(1_000_000),
  }),
  counts: z.record(z.string(), count),
  code: bundleTree.nullable(),
  data: z.array(bundleTree.extend({ name: z.string(), dataset: z.string().nullable() })).max(1000),
  checkpoints: z.array(bundleTree.extend({ trial: trialNumber, step })).max(1_000_000),
  /** Of an experiment that was imported: what came along then, in `ORIGIN_FOLDER`. */
  imported: bundleTree.nullable().optional(),
  /** What is not in it, in words. */
  missing: z.array(z.string()).max(1000),
  /** Every other file but SHA256SUMS, in byte order of path. */
  files: z
    .array(
      z.object({ path: z.string().min(1), size: count, sha256: hash, executable: z.boolean() }),
    )
    .max(200_000),
});
export type BundleManifest = z.infer<typeof bundleManifest>;
