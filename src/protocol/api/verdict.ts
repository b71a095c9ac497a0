/** Verdicts: whether a trial that was run again from its record came out the same. */
import { z } from "zod";
import { wireNumber } from "../runner-wire.ts";
import { count, time } from "./common.ts";

export const VERDICT_STATES = ["identical", "differs", "not_comparable"] as const;
export const verdictState = z.enum(VERDICT_STATES);
export type VerdictState = z.infer<typeof verdictState>;

/** The first place where something differs. */
export const firstDifference = z.object({
  step: count,
  /** The file of the checkpoint, or null where a metric differs. */
  path: z.string().nullable(),
  /** The tensor or value in the file, or the metric; null where files were compared by their bytes. */
  item: z.string().nullable(),
  /** The largest absolute difference of two elements; null where there is no such number. */
  max_abs: wireNumber.nullable(),
  /** How many elements differ, of how many; null where elements were not compared. */
  differing: count.nullable(),
  elements: count.nullable(),
  /** The first byte that differs, where a file was compared by its bytes. */
  byte: count.nullable(),
});
export type FirstDifference = z.infer<typeof firstDifference>;

export const verdictDetail = z.object({
  /** metrics: the program saves no checkpoints, so only what it reported was compared. null: nothing was. */
  by: z.enum(["checkpoints", "metrics"]).nullable(),
  compared: z.object({
    checkpoints: count,
    /** Tensors and plain values in model files; of snapshots with equal hashes too, as far as they can still be read. */
    tensors: count,
    /** Points of metrics. */
    points: count,
  }),
  first: firstDifference.nullable(),
  /** The first step at which a metric differs, where one does. */
  metric: z.object({ name: z.string(), step: count }).nullable(),
  /** Steps at which the trial saved and the replay did not, or whose content is gone. */
  left_out: z.array(z.object({ step: count, why: z.string() })),
  /** Why it is not comparable; what else has to be known to read the verdict. */
  reasons: z.array(z.string()),
  notes: z.array(z.string()),
});
export type VerdictDetail = z.infer<typeof verdictDetail>;

/** The verdict on a trial that lists show: the latest. */
export const shownVerdict = z.object({
  state: verdictState,
  text: z.string(),
  /** The experiment that repeated it; null where it was clear before that nothing could be compared. */
  replay: z.int().nullable(),
  at: time,
});
export type ShownVerdict = z.infer<typeof shownVerdict>;

export const verdict = shownVerdict.extend({
  trial: z.string(),
  asked_by: z.string(),
  detail: verdictDetail,
});
export type Verdict = z.infer<typeof verdict>;

/** Of all its trials: `differs` where any does, else `identical` where any is. Of a replay, what came of it. */
export const experimentVerdict = z.object({
  state: verdictState,
  /** How many of its trials have a verdict. */
  trials: count,
  /** Of the latest. */
  at: time,
});
export type ExperimentVerdict = z.infer<typeof experimentVerdict>;

/** The newest first. */
export const verdicts = z.object({ items: z.array(verdict) });
