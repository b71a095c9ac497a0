/** A runnable copy of an experiment or of one trial, made from what the server holds. */
import { z } from "zod";
import { override } from "./ancestry.ts";
import { text } from "./common.ts";
import { createExperimentReply, createExperimentRequest } from "./experiment.ts";

/** `3` or `3.12`. */
export const runIdText = z
  .string()
  .regex(
    /^[1-9][0-9]{0,9}(\.[1-9][0-9]{0,9})?$/,
    "must be an experiment such as 3, or a trial such as 3.12",
  );

export const createForkRequest = createExperimentRequest
  .pick({ provenance: true, activate: true, dry_run: true })
  .extend({
    of: runIdText,
    /** Values in place of the parent's, by path: `hyperparameters.lr`, `searcher.max_length.epochs`. */
    set: z
      .array(z.strictObject({ path: text(500).min(1), value: z.json() }))
      .max(200)
      .default([]),
    /** Go on from a checkpoint of the trial: its step, or `latest` or `best`. Absent: from the beginning. */
    from_checkpoint: z.union([z.int().min(0), z.enum(["latest", "best"])]).optional(),
    /** The whole text in place of the parent's, as a dry run gives it, edited. `set` is applied to it. */
    config: z.string().max(1_048_576).optional(),
  });
export type CreateForkRequest = z.infer<typeof createForkRequest>;

export const createForkReply = createExperimentReply.extend({
  /** The text of its configuration. */
  config: z.string(),
  /** All that differs from an unchanged copy. */
  overrides: z.array(override),
});
export type CreateForkReply = z.infer<typeof createForkReply>;
