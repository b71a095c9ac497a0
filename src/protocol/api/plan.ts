/** What a search intends and what it has spent. */
import { z } from "zod";
import { wireNumber } from "../runner-wire.ts";
import { count } from "./common.ts";

export const standing = z.object({
  bracket: count,
  rung: count,
  step: count,
  objective: wireNumber,
  rank: count,
  of: count,
  passing: count,
  threshold: wireNumber.nullable(),
  competitors: z.array(
    z.object({
      trial: z.string(),
      objective: wireNumber.nullable(), // null: it ended on the way here and never reported as far
    }),
  ),
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
  /** Most trials that the search has at work at one time, however many slots there are; absent in plans of before. */
  concurrent_max: count.optional(),
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
  /** What the order of a deterministic search has cost so far; null for any other. */
  held: z
    .object({
      /** Results that had to wait for others before they counted; those that still wait are not in it. */
      results: count,
      /** Wall time from hearing them until they counted, added up over results (so it may exceed the search's own time), and the longest. */
      seconds: z.number(),
      seconds_max: z.number(),
      /** Slot time for which a trial stood still with its slots while its result waited. Slots that were given back are not in it: whether anybody used them is another matter. */
      slot_seconds: z.number(),
    })
    .nullable(),
});
