/**
 * Datasets: versions of data, named by content. A version's bytes are stored here, or it is registered by reference:
 * they stay where they are, and what is kept is a list that tells whether they are still the same.
 */
import { z } from "zod";
import { dataReference, dataTree } from "../runner-wire.ts";
import { count, hash, pageQuery, text, time } from "./common.ts";
import { datasetStatistics } from "./dataset-statistics.ts";

export const dataset = z.object({
  name: z.string(),
  version: count,
  /** stored: the bytes are here. directory, s3: they lie at `place`. */
  kind: z.enum(["stored", "directory", "s3"]),
  /** Path or s3://bucket/prefix of what is not stored here. */
  place: z.string().nullable(),
  /** Names the list of files; the blob of this name is that list. */
  snapshot: hash,
  /** Names paths and contents, in whatever form they are kept. */
  content: hash,
  files: count,
  bytes: count,
  created_at: time,
  created_by: z.string(),
  /** Its number is never given again, and its bytes are gone or about to go. */
  removed: z.object({ at: time, by: z.string() }).nullable(),
});
export type Dataset = z.infer<typeof dataset>;

export const datasetUse = z.object({
  experiment: z.int(),
  name: z.string(),
  state: z.string(),
  /** Names under which its `data` gives this version to the training code. */
  as: z.array(z.string()),
});
export type DatasetUse = z.infer<typeof datasetUse>;

export const datasetDetail = dataset.extend({
  /** Of what is in it; null where none were computed. */
  statistics: datasetStatistics.nullable(),
  /** Experiments that are not deleted, the newest first, a hundred at most. */
  used_by: z.array(datasetUse),
  used_by_total: count,
});
export type DatasetDetail = z.infer<typeof datasetDetail>;

const datasetName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,127}$/, "must be 1 to 128 of a-z 0-9 . _ -, a-z or 0-9 first");

export const datasetParams = z.object({
  name: datasetName,
  version: z.union([
    z.literal("latest"),
    z.coerce
      .number()
      .int()
      .min(1)
      .max(2 ** 31 - 1),
  ]),
});

export const datasetsQuery = pageQuery.extend({
  /** Only versions of this dataset. */
  name: datasetName.optional(),
  /** Removed ones too. */
  removed: z.stringbool().default(false),
});

export const createDatasetRequest = z
  .strictObject({
    name: datasetName,
    /** Its files, all of whose content was uploaded. */
    tree: dataTree.optional(),
    /** Or where they are. */
    reference: dataReference.optional(),
    statistics: datasetStatistics.optional(),
  })
  .refine(
    ({ tree, reference }) => (tree === undefined) !== (reference === undefined),
    "takes either `tree` or `reference`",
  );
/** `created` is false when this very content is a version already. */
export const createDatasetReply = dataset.extend({ created: z.boolean() });
export type CreateDatasetReply = z.infer<typeof createDatasetReply>;

export const removeDatasetQuery = z.strictObject({
  /** `name@version` again: remove it although experiments used it. */
  force: text(200).optional(),
});
export const removeDatasetReply = dataset.extend({ used_by: z.array(datasetUse) });
export type RemoveDatasetReply = z.infer<typeof removeDatasetReply>;

export const verifyDatasetRequest = z.strictObject({
  /** From `next` of the answer before. */
  after: count.default(0),
  /** False: what can be told without reading the bytes (is it there, its size, when it was written). */
  full: z.boolean().default(true),
});

export const datasetDifference = z.object({
  path: z.string(),
  code: z.enum(["missing", "changed", "unreadable"]),
  message: z.string(),
  /** Hash (of S3: ETag) that it should have, and has. */
  expected: z.string().nullable(),
  found: z.string().nullable(),
});
export type DatasetDifference = z.infer<typeof datasetDifference>;

/** One stretch; `next` is null when there is no more. */
export const verifyDatasetReply = z.object({
  files: count,
  bytes: count,
  differences: z.array(datasetDifference),
  next: count.nullable(),
});
export type VerifyDatasetReply = z.infer<typeof verifyDatasetReply>;
