/** The log of changes and its verification. */
import { z } from "zod";
import { count, experimentIdParam, hash, pageQuery, text, time, trialIdParam } from "./common.ts";

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
