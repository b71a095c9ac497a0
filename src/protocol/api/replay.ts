/** Asking for a trial to be run again from its record. */
import { z } from "zod";
import { experiment } from "./experiment.ts";
import { verdict } from "./verdict.ts";

export const createReplayRequest = z.strictObject({
  /** Run it although something is known to be different, and say so in the verdict. */
  anyway: z.boolean().default(false),
  /** Build its interpreter and packages anew from the record where they are not here as they were. */
  rebuild: z.boolean().default(false),
  /** Only say what stands in the way. */
  dry_run: z.boolean().default(false),
});
export type CreateReplayRequest = z.infer<typeof createReplayRequest>;

export const createReplayReply = z.object({
  /** The experiment that repeats it; null where nothing was started. */
  experiment: experiment.nullable(),
  /** Where nothing was started because nothing could be compared: that is the verdict. */
  verdict: verdict.nullable(),
  /** What stands in the way. */
  reasons: z.array(z.string()),
});
export type CreateReplayReply = z.infer<typeof createReplayReply>;
