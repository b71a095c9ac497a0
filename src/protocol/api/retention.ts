/** What stays and what goes: runs that free the bytes of what nothing needs, and what they would delete. */
import { z } from "zod";
import { wireNumber } from "../runner-wire.ts";
import { count, experimentIdParam, hash, time } from "./common.ts";

/** Why a checkpoint stays, a closed list. */
export const keepReason = z.enum([
  "experiment_best",
  "trial_best",
  "trial_latest",
  /** Its trial goes on from here, or may still be promoted. */
  "trial_not_over",
  /** A running allocation was started from it. */
  "live_allocation",
  /** Its experiment was submitted when everything was kept. */
  "no_policy",
  "pinned",
  "source",
  "registered",
  /** A replay without a verdict is to be compared with it. */
  "replayed",
]);
export type KeepReason = z.infer<typeof keepReason>;

export const gcQuery = z.strictObject({ experiment: experimentIdParam.optional() });

export const gcPlan = z.object({
  checkpoints: z.object({
    count,
    /** The first thousand of them. */
    items: z.array(
      z.object({
        id: hash,
        trial: z.string(),
        run: count,
        step: count,
        bytes: count,
        objective: wireNumber.nullable(),
        why: z.string(),
      }),
    ),
    /** Of those that stay: how many for which reason. One can have several. */
    kept: z.partialRecord(keepReason, count),
  }),
  /** Deleted ones whose time is over. */
  experiments: z.array(z.object({ id: z.int(), deleted_at: time, deleted_by: z.string() })),
  /** That would come free, each shared blob counted once. */
  bytes: z.object({
    /** Of the above, and of what was deleted before and lies there still. */
    snapshots: count,
    /** Of uploads that nobody finished. */
    leftovers: count,
    total: count,
  }),
  blobs: count,
});
export type GcPlan = z.infer<typeof gcPlan>;

export const gcRun = z.object({
  state: z.enum(["idle", "running"]),
  requested_by: z.string().nullable(),
  requested_at: time.nullable(),
  started_at: time.nullable(),
  ended_at: time.nullable(),
  phase: z.enum(["waiting", "checkpoints", "experiments", "snapshots", "leftovers"]),
  /** Of the phase, where it can be counted. */
  done: count,
  total: count.nullable(),
  deleted: z.object({
    checkpoints: count,
    experiments: count,
    blobs: count,
    bytes: count,
    half_written: count,
  }),
  /** Why it could not go on at the last try; it is tried again. */
  problem: z.string().nullable(),
});
export type GcRun = z.infer<typeof gcRun>;

export const pinRequest = z.strictObject({
  /** Where the same content was saved in several: only there. */
  experiment: z.int().min(1).max(2_147_483_647).optional(),
});
export const pinReply = z.object({
  id: hash,
  pinned: z.boolean(),
  /** Those in which it was saved. `changed` is false where it was so already. */
  experiments: z.array(z.object({ experiment: z.int(), changed: z.boolean() })),
});
export type PinReply = z.infer<typeof pinReply>;
