/** What leaves the house: raw points of metrics as files, and the lines of a bundle (`protocol/bundle.ts`). */
import { z } from "zod";
import { FILTER_CHARS_MAX } from "../experiment-filter/parse.ts";
import { tree } from "../runner-wire.ts";
import { hash, text, time } from "./common.ts";
import { experiment } from "./experiment.ts";

export const pointFormat = z.enum(["parquet", "csv", "arrow"]);

export const exportMetricsQuery = z.strictObject({
  format: pointFormat.default("parquet"),
  /** Experiments and trials with commas between them, such as 3,4.12; this or `filter`, or neither: every experiment. */
  ids: z
    .string()
    .max(20_000)
    .regex(/^[1-9][0-9]*(\.[1-9][0-9]*)?(,[1-9][0-9]*(\.[1-9][0-9]*)?)*$/, "ids such as 3,4.12")
    .optional(),
  /** As in the list of experiments (docs/filters.md). */
  filter: z.string().max(FILTER_CHARS_MAX).optional(),
  /** Comma-separated; absent = all. */
  names: text(20_000).optional(),
  from_step: z.coerce.number().int().min(0).optional(),
  to_step: z.coerce.number().int().min(0).optional(),
  /** Also points in whose place a later report counts. */
  superseded: z.stringbool().default(false),
});

export const bundleQuery = z.strictObject({
  /** Only this trial; absent = all. */
  trial: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
});

const MANIFEST_CHARS_MAX = 60 * 1024 * 1024;
export const importRequest = z.strictObject({
  /** The text of the bundle's manifest.json; the files that matter were sent as blobs before. */
  manifest: z.string().max(MANIFEST_CHARS_MAX),
});
/** What the experiment read, and what that is here. */
export const importedData = z.object({
  /** The name under which it reads it. */
  as: z.string(),
  /** `name@version`, as its origin called it. */
  origin: z.string(),
  /** The version here that has its content; null = it did not come along and is not here. */
  dataset: z.string().nullable(),
  /** Whether that was registered by this import. */
  created: z.boolean(),
});
export type ImportedData = z.infer<typeof importedData>;
export const importReply = z.object({
  experiment,
  /** False where this very record had been imported before. */
  created: z.boolean(),
  /** Empty where it was here already. */
  data: z.array(importedData),
});
export type ImportReply = z.infer<typeof importReply>;

/** Where an imported experiment comes from. */
export const importOrigin = z.object({
  /** Of the record: equal = the same trials, events and numbers. */
  content: hash,
  by: z.string(),
  at: time,
  /** As the bundle says it. */
  origin: z.record(z.string(), z.json()),
  /** What came along as it was, in the blob store: the manifest, the experiment, the log of changes of its origin. */
  files: tree,
});
export type ImportOrigin = z.infer<typeof importOrigin>;
