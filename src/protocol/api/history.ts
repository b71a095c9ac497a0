/** An experiment's past, of all its trials at once: who held which slots, what was decided, how good the best was. */
import { z } from "zod";
import { wireNumber } from "../runner-wire.ts";
import { count, time } from "./common.ts";
import { allocation } from "./trial.ts";

export const experimentAllocation = allocation.extend({ trial: z.string() });
export type ExperimentAllocation = z.infer<typeof experimentAllocation>;

/** One decision about one trial; with its rivals it is in `GET /trials/:id`. */
export const experimentDecision = z.object({
  trial: z.string(),
  at: time,
  what: z.enum(["create", "train", "pause", "stop"]),
  target: count.nullable(),
  code: z.string(),
  text: z.string(),
  /** Where it stood, for decisions at a rung. */
  standing: z
    .object({
      bracket: count,
      rung: count,
      step: count,
      objective: wireNumber,
      rank: count,
      of: count,
      passing: count,
      /** What the last of those had who might go on at that moment. */
      threshold: wireNumber.nullable(),
    })
    .nullable(),
});
export type ExperimentDecision = z.infer<typeof experimentDecision>;

export const PROGRESS_POINTS_MAX = 2_000;
export const progressQuery = z.strictObject({
  /** At most this many improvements: the last one of each bucket of them. */
  points: z.coerce.number().int().min(1).max(PROGRESS_POINTS_MAX).default(500),
});

/** Each moment at which the experiment had a better objective than ever before. */
export const progressReply = z.object({
  experiment: z.int(),
  metric: z.string(),
  unit: z.string(),
  smaller_is_better: z.boolean(),
  /** How many there are; `items` may be fewer. */
  total: count,
  items: z.array(
    z.object({
      at: time,
      trial: z.string(),
      step: count,
      objective: z.number(),
      /** Of all trials until then; what a restart repeats counts again. */
      steps: count,
      slot_seconds: z.number(),
    }),
  ),
});
export type ProgressReply = z.infer<typeof progressReply>;
