/** Two runs laid side by side: what is not the same in each of the things that a run is made of. */
import { z } from "zod";
import { wireNumber } from "../runner-wire.ts";
import { count, hash, time } from "./common.ts";
import { runIdText } from "./fork.ts";

export const diffQuery = z.strictObject({ a: runIdText, b: runIdText });

export const diffSide = z.object({
  /** As it was asked for. */
  id: z.string(),
  experiment: z.int(),
  /** The trial whose choice, metrics and decisions are compared: the one named, or the only one of an experiment. */
  trial: z.string().nullable(),
  name: z.string(),
  created_at: time,
});

/** A value that is not there is absent. */
export const valueDifference = z.object({
  path: z.string(),
  a: z.json().optional(),
  b: z.json().optional(),
});
export type ValueDifference = z.infer<typeof valueDifference>;

export const fileDiff = z.object({
  path: z.string(),
  state: z.enum(["added", "removed", "changed", "mode"]),
  /** Hashes of the content; null where the file is not there. */
  a: hash.nullable(),
  b: hash.nullable(),
  lines_added: count,
  lines_removed: count,
  /** As `diff -u` writes it, without the lines of names; null where it was not made. */
  diff: z.string().nullable(),
  /** Why not: no text, too large, or too many files differ. */
  note: z.string().nullable(),
});
export type FileDiff = z.infer<typeof fileDiff>;

export const metricDiff = z.object({
  name: z.string(),
  /** Steps at which both have a value, and at which one alone has. */
  both: count,
  only_a: count,
  only_b: count,
  /** Of the steps that both have, the first at which the numbers are not the same; null: they all are. */
  first: z.object({ step: count, a: wireNumber, b: wireNumber }).nullable(),
  last: z.object({
    a: z.object({ step: count, value: wireNumber }).nullable(),
    b: z.object({ step: count, value: wireNumber }).nullable(),
  }),
  /** The smallest or the largest, as the searcher means it for its metric; null for others and where there is none. */
  best: z.object({ a: wireNumber.nullable(), b: wireNumber.nullable() }).nullable(),
});
export type MetricDiff = z.infer<typeof metricDiff>;

export const decisionInDiff = z.object({
  what: z.enum(["create", "train", "pause", "stop"]),
  target: count.nullable(),
  code: z.string(),
  text: z.string(),
});

export const diffReply = z.object({
  a: diffSide,
  b: diffSide,
  code: z.object({
    a: hash.nullable(),
    b: hash.nullable(),
    /** Files that are the same. */
    same: count,
    files: z.array(fileDiff),
    /** Files that differ and are not listed. */
    not_listed: count,
  }),
  /** Of the resolved configurations. */
  config: z.array(valueDifference),
  /** Versions and snapshots, by the name that the training code knows them by. */
  data: z.array(valueDifference),
  /** By `section.field` of the records; see docs/record.md. */
  environment: z.array(valueDifference),
  /** How many values differ besides those in the list of this name: it has 2,000 at most, and no section of a record crowds out another. */
  not_listed: z.object({ config: count, data: count, environment: count, hyperparameters: count }),
  /** Null where one of them is an experiment of several trials: name one of them. */
  trials: z
    .object({
      hyperparameters: z.array(valueDifference),
      seeds: z.array(valueDifference),
      metrics: z.array(metricDiff),
      decisions: z.object({
        /** So many are the same, one after the other, from the first on. */
        same: count,
        /** The first of those that come then. */
        a: z.array(decisionInDiff),
        b: z.array(decisionInDiff),
      }),
    })
    .nullable(),
});
export type DiffReply = z.infer<typeof diffReply>;
