/** The tree of ideas: runs grouped by what they were made from, and the threads that people found to matter. */
import { z } from "zod";
import { wireNumber } from "../runner-wire.ts";
import { ancestryKind } from "./ancestry.ts";
import { count, text, time } from "./common.ts";
import { experimentState } from "./state.ts";

export const ideasQuery = z.strictObject({
  /** As of the list of experiments. */
  filter: z.string().max(2000).optional(),
  /** The newest that fit, archived ones among them. */
  limit: z.coerce.number().int().min(1).max(1000).default(300),
});

export const idea = z.object({
  experiment: z.int(),
  name: z.string(),
  owner: z.string(),
  state: experimentState,
  created_at: time,
  archived: z.boolean(),
  /** Best objective, and which metric. */
  best: wireNumber.nullable(),
  metric: z.string().nullable(),
  /** null = an idea of its own. */
  parent: z.int().nullable(),
  /** As ancestry says, or `likeness`: nobody said so, it is the earlier run that this one is most alike. */
  by: z.union([ancestryKind, z.literal("likeness")]).nullable(),
  /** From 0.5 to 1, where it was guessed. */
  likeness: z.number().nullable(),
  /** Against the parent. */
  changed: z
    .object({
      /** Paths in the resolved configuration, the first of them. */
      settings: z.array(z.string()),
      settings_total: count,
      code: z.boolean(),
    })
    .nullable(),
  /** Ids of the threads that it lies on. */
  threads: z.array(z.int()),
});
export type Idea = z.infer<typeof idea>;

/** A run that matters, and with it the way that led there. */
export const thread = z.object({
  id: z.int(),
  name: z.string(),
  note: z.string(),
  /** Where it ends. */
  experiment: z.int(),
  by: z.string(),
  at: time,
});
export type Thread = z.infer<typeof thread>;

export const ideas = z.object({
  /** In the order of their numbers. */
  items: z.array(idea),
  threads: z.array(thread),
  /** How many fit in all. */
  total: count,
});
export type Ideas = z.infer<typeof ideas>;

export const createThreadRequest = z.strictObject({
  experiment: z.int().min(1).max(2_147_483_647),
  name: text(200).min(1),
  note: text(10_000).default(""),
});
export const threadIdParam = z.coerce.number().int().min(1).max(2_147_483_647);
