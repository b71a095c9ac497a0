/** Answers to why. */
import { z } from "zod";
import { count, time } from "./common.ts";

export const whyKind = z.enum(["experiment", "trial", "allocation", "slot", "searcher"]);
export type WhyKind = z.infer<typeof whyKind>;

/** One sentence of an answer, and what it rests on. */
export const whyReason = z.object({
  /** From the closed list in docs/audit.md. */
  code: z.string(),
  text: z.string(),
  /** When it came to be, where there is such a moment. */
  at: time.nullable(),
  /** Who: a person's name, `search`, `scheduler`, `runner`, `budget` or `contrail`. */
  actor: z.string().nullable(),
  /** Events of the log that say so. */
  events: z.array(count),
  /** The figures in the sentence, by name. */
  figures: z.record(z.string(), z.json()),
});
export type WhyReason = z.infer<typeof whyReason>;

/** Why a thing is as it is: first the reason for its state, then how it came there, oldest first. */
export const why = z.object({
  kind: whyKind,
  id: z.string(),
  state: z.string(),
  reasons: z.array(whyReason),
  /** The end of its output, where it failed. */
  last_lines: z.array(z.string()),
});
export type Why = z.infer<typeof why>;
