/** What trials leave behind: metrics, lines of output, checkpoints. */
import { z } from "zod";
import { tree, wireNumber } from "../runner-wire.ts";
import { count, RANK_MAX, text, time } from "./common.ts";

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
      /** Of the bucket's finite values, when thinned; absent where it has none. */
      min: z.number().optional(),
      max: z.number().optional(),
      /** Of all its values. */
      mean: wireNumber.optional(),
      /** How many values of the bucket are NaN or infinite, when thinned. */
      not_finite: count.optional(),
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
  /** Written at this time or later. */
  since: z.iso.datetime({ offset: true }).optional(),
  /** Not included. */
  until: z.iso.datetime({ offset: true }).optional(),
  /** Of a trial: what this one of its runs wrote. */
  run: z.coerce.number().int().min(1).max(999_999_999).optional(),
  /** Of a trial: begin with this line, RUN.LINE as in its second run's 1041st: 2.1041. */
  from: z
    .string()
    .regex(/^[1-9][0-9]{0,8}\.[1-9][0-9]{0,14}$/, "RUN.LINE, such as 2.1041")
    .optional(),
});

/** The whole output of a trial that `logsQuery` selects, as it was written. */
export const rawLogsQuery = logsQuery.pick({
  ...{ run: true, rank: true, stream: true, contains: true, since: true, until: true },
});

/** How much a trial has written, run by run: what a reader needs to go to any place in it. */
export const logExtent = z.object({
  runs: z.array(z.object({ run: count, lines: count, first_at: time, last_at: time })),
});
export type LogExtent = z.infer<typeof logExtent>;

export const logEntry = z.object({
  /** Position in the stream; give it back as `cursor` to go on after it. */
  cursor: z.string(),
  trial: z.string(),
  run: count,
  /** Its number within the run, from 1. */
  line: count,
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
  /** A person has said that it stays. */
  pinned: z.boolean(),
  /** When and why its files were given up; null = they are there. */
  deleted: z.object({ at: time, why: z.string() }).nullable(),
});
export type Checkpoint = z.infer<typeof checkpoint>;
export const checkpointDetail = checkpoint.extend({ tree });
export type CheckpointDetail = z.infer<typeof checkpointDetail>;
