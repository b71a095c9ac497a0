/**
 * The record of a run: everything that is known of how a trial came to be, as flat fields in sections, with what is
 * missing and why. Described in docs/record.md.
 */
import { z } from "zod";
import { RECORD_SECTIONS, recordFields, recordGap } from "../record-part.ts";
import { count, hash, time } from "./common.ts";

export const recordQuery = z.strictObject({
  /** Which of the trial's allocations; absent = the last. */
  run: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
});

export const trialRecord = z.object({
  trial: z.string(),
  /** Null where the trial was never given slots: then only what the server itself knows is here. */
  allocation: z.string().nullable(),
  run: count.nullable(),
  /** When its runner looked; null = it never told. */
  captured_at: time.nullable(),
  /** Names machine, system, interpreter and packages by content: equal here = equal in all of these. */
  environment: hash.nullable(),
  /** Section → field → value. A field's path is `section.field`. */
  captured: z.partialRecord(z.enum(RECORD_SECTIONS), recordFields),
  /** What this run has none of, and how that is known. */
  not_applicable: z.array(recordGap),
  /** What should be here and could not be captured. */
  missing: z.array(recordGap),
  /** Items captured over items that apply, 0 to 1; the list of items is in docs/record.md. */
  completeness: z.number().min(0).max(1),
  items: z.object({ captured: count, applicable: count }),
  /** All allocations of the trial, oldest first. */
  runs: z.array(
    z.object({
      run: count,
      allocation: z.string(),
      captured_at: time.nullable(),
      environment: hash.nullable(),
    }),
  ),
});
export type TrialRecord = z.infer<typeof trialRecord>;

export const environmentReply = z.object({
  hash,
  captured: z.partialRecord(z.enum(RECORD_SECTIONS), recordFields),
  not_applicable: z.array(recordGap),
  missing: z.array(recordGap),
});
export type EnvironmentReply = z.infer<typeof environmentReply>;
