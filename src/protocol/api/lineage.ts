/** From any object to every related one: what it was made from, and what was made from it. */
import { z } from "zod";
import { count, time } from "./common.ts";

export const lineageKind = z.enum(["experiment", "trial", "checkpoint", "code", "dataset"]);
export type LineageKind = z.infer<typeof lineageKind>;

/**
 * How the second came out of the first. code, data: an experiment ran or read it. trial: one of the experiment's.
 * checkpoint: the trial saved it. start: training went on from it. version: the next version of a dataset. The rest is ancestry.
 */
export const lineageRelation = z.enum([
  "code",
  "data",
  "trial",
  "checkpoint",
  "start",
  "version",
  "fork",
  "replay",
  "copy",
  "import",
]);
export type LineageRelation = z.infer<typeof lineageRelation>;

export const lineageNode = z.object({
  /** Unique in the graph, and what `/lineage/` takes: `experiment:3`, `trial:3.12`, `checkpoint:HASH`, `code:HASH`, `dataset:digits@2`, `dataset:HASH` of a snapshot that is no version here. */
  id: z.string(),
  kind: lineageKind,
  /** What it is called where there is more than its id: an experiment's name, a checkpoint's step, how its origin called data that is foreign. */
  label: z.string(),
  state: z.string().nullable(),
  /** When it came to be; of code: when it first ran. */
  at: time.nullable(),
  /** Steps from the thing that was asked for. */
  distance: count,
  /** How many neighbours are not shown, because there are too many or they are too far. */
  more: count,
});
export type LineageNode = z.infer<typeof lineageNode>;

export const lineageEdge = z.object({
  /** What it came from. */
  from: z.string(),
  /** What came of it. */
  to: z.string(),
  relation: lineageRelation,
  /** In words: what a fork changed, under which name data was read. */
  note: z.string().nullable(),
});
export type LineageEdge = z.infer<typeof lineageEdge>;

export const lineage = z.object({
  root: z.string(),
  /** By distance, then in order of their ids. */
  nodes: z.array(lineageNode),
  edges: z.array(lineageEdge),
});
export type Lineage = z.infer<typeof lineage>;

export const lineageThing = z
  .string()
  .max(200)
  .regex(
    /^(experiment:[1-9][0-9]{0,8}|trial:[1-9][0-9]{0,8}\.[1-9][0-9]{0,8}|(checkpoint|code|dataset):[0-9a-f]{64}|dataset:[a-z0-9][a-z0-9._-]{0,127}@[1-9][0-9]{0,8})$/,
    "must be experiment:3, trial:3.12, checkpoint:HASH, code:HASH, dataset:NAME@VERSION or dataset:HASH",
  );
export const lineageQuery = z.strictObject({
  /** How far to go, in steps; data and code that are met on the way are shown, and not followed. */
  depth: z.coerce.number().int().min(1).max(20).default(4),
});
