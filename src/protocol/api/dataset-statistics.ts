/** What is in a dataset, computed by whoever adds it while the files are read; see docs/data.md for the methods. */
import { z } from "zod";
import { wireNumber } from "../runner-wire.ts";
import { count, text } from "./common.ts";

const PATH_CHARS_MAX = 4096;
/** A cell as it is shown; longer ones are cut by whoever computes this. */
export const CELL_CHARS_MAX = 120;
export const TABLES_MAX = 100;
export const COLUMNS_MAX = 1000;
const GROUPS_MAX = 1000;

const cell = z.union([wireNumber, text(CELL_CHARS_MAX)]).nullable();

export const columnStatistics = z.strictObject({
  name: text(CELL_CHARS_MAX),
  /** What all its values are; text where they are of several kinds. */
  type: z.enum(["integer", "number", "boolean", "time", "text", "other", "empty"]),
  /** Values that are there, and that are not. */
  count,
  missing: count,
  /** Null where it was not counted. */
  distinct: z.strictObject({ value: count, exact: z.boolean() }).nullable(),
  /** Of numbers by size, of everything else in the order of characters. */
  min: cell,
  max: cell,
  mean: wireNumber.nullable(),
  std: wireNumber.nullable(),
  /** Of numbers: `q` from 0 to 1. */
  quantiles: z.array(z.strictObject({ q: z.number(), value: wireNumber })).max(20),
});
export type ColumnStatistics = z.infer<typeof columnStatistics>;

export const tableStatistics = z.strictObject({
  path: text(PATH_CHARS_MAX),
  format: z.enum(["csv", "parquet"]),
  rows: count,
  columns: z.array(columnStatistics).max(COLUMNS_MAX),
  /** What speaks against taking these for all of it. */
  note: text(500).nullable(),
});
export type TableStatistics = z.infer<typeof tableStatistics>;

const group = z.strictObject({ name: text(PATH_CHARS_MAX), files: count, bytes: count });

export const datasetStatistics = z.strictObject({
  /** The most files first; "" = none. */
  extensions: z.array(group).max(GROUPS_MAX),
  /** Folders of which every file lies in one and that have none in the root: the classes of many image sets. */
  classes: z.array(group).max(GROUPS_MAX),
  tables: z.array(tableStatistics).max(TABLES_MAX),
  /** Tables for which there was no room above. */
  tables_left_out: count,
});
export type DatasetStatistics = z.infer<typeof datasetStatistics>;
