/**
 * The searchers and their fields, from which the checks, the types, the schema and the documents come.
 * The names and defaults are those users of Determined know; the methods that it never had follow the
 * same style.
 */
import * as z from "zod";
import { keyName, orNull } from "./fields.ts";

const lengthInteger = z.int().min(1);

/** Names of the unit of training. A bare number counts steps. */
export const LENGTH_UNITS = ["steps", "epochs", "batches", "records"] as const;
export type LengthUnit = (typeof LENGTH_UNITS)[number];

const maxLength = z.union(
  [
    lengthInteger.transform((steps) => ({ steps })),
    z.strictObject({ steps: lengthInteger }),
    z.strictObject({ epochs: lengthInteger }),
    z.strictObject({ batches: lengthInteger }),
    z.strictObject({ records: lengthInteger }),
  ],
  {
    error:
      "a whole number of steps of at least 1, or one of {steps: n}, {epochs: n}, {batches: n}, {records: n}",
  },
);

const smallerIsBetter = z
  .boolean()
  .default(true)
  .describe("Whether a smaller metric is better (a loss) or a larger one (an accuracy: false).");

const length = {
  max_length: orNull(maxLength).describe(
    "The longest that any trial trains: a number of steps, or {epochs: n}, {batches: n}, {records: n}, {steps: n}. This or max_time with time_metric.",
  ),
  max_time: orNull(lengthInteger).describe(
    "The longest that any trial trains, counted by time_metric; wins over max_length.",
  ),
  time_metric: orNull(keyName).describe(
    "The reported metric that max_time counts by. Every report of the objective has to hold it, and where there is no objective every report.",
  ),
};

const start = {
  source_checkpoint_uuid: orNull(
    z.string().regex(/^[0-9a-f]{64}$/, "the id of a checkpoint: 64 digits of 0-9 and a-f"),
  ).describe(
    "Every trial goes on from this checkpoint, which stays as long as the experiment does. Steps count on from where it was saved, so the first step that the search asks for (max_length, or the lowest rung) has to lie beyond.",
  ),
};

const METRIC = "The reported metric that trials are compared by (the objective).";

const common = {
  metric: keyName.describe(METRIC),
  smaller_is_better: smallerIsBetter,
  ...length,
  ...start,
};

const trials = z.int().min(1).max(1_000_000);
const maxTrials = trials.describe("How many trials the search makes.");
const concurrent = z
  .int()
  .min(0)
  .max(1_000_000)
  .default(16)
  .describe(
    "Most trials at work at one time, not counting one that was told to pause and still saves (docs/searchers.md); 0 leaves it to the method.",
  );

/** Rungs beyond this would repeat the same step for any divisor of use. */
export const RUNGS_MAX = 64;
/** Of hyperband: each is looked at whenever a place gets free, and is part of the plan that is shown. */
export const BRACKETS_MAX = 1_000;
const rungs = z.int().min(1).max(RUNGS_MAX);

const divisor = (fallback: number) =>
  z
    .number()
    .gt(1)
    .max(1_000_000)
    .default(fallback)
    .describe("One of this many goes on at each rung.");
const stopOnce = (fallback: boolean) =>
  z
    .boolean()
    .default(fallback)
    .describe(
      "false: pause at a rung, give the slots back and perhaps go on later (promoting). true: go on at once or end (stopping).",
    );

/** `name` left out: a documented default is chosen at submission, and why is recorded. */
export const unnamed = z.strictObject({
  name: z.null().default(null),
  ...common,
  max_trials: orNull(trials).describe(
    "How many trials the search makes; chosen from the budget when left out.",
  ),
  max_concurrent_trials: concurrent,
});

export const single = z.strictObject({
  name: z.literal("single"),
  ...common,
  metric: orNull(common.metric).describe(METRIC),
});

export const random = z.strictObject({
  name: z.literal("random"),
  ...common,
  max_trials: maxTrials,
  max_concurrent_trials: concurrent,
});

export const grid = z.strictObject({
  name: z.literal("grid"),
  ...common,
  max_concurrent_trials: concurrent,
});

export const asha = z.strictObject({
  name: z.literal("asha"),
  ...common,
  max_trials: maxTrials,
  max_concurrent_trials: concurrent,
  divisor: divisor(3),
  num_rungs: orNull(rungs).describe("How many rungs; as many as fit when left out."),
  stop_once: stopOnce(false),
});

/** The name by which users of Determined know the stopping form; resolved to `asha`. */
export const asyncHalving = z.strictObject({
  name: z.literal("async_halving"),
  ...common,
  max_trials: maxTrials,
  max_concurrent_trials: concurrent,
  divisor: divisor(4),
  num_rungs: rungs.describe("How many rungs."),
  stop_once: stopOnce(true),
});

const STRAGGLERS = "0 (wait for all) or a number of at least 1";

export const hyperband = z.strictObject({
  name: z.literal("hyperband"),
  ...common,
  max_trials: maxTrials,
  max_concurrent_trials: concurrent,
  divisor: divisor(3),
  straggler_factor: z
    .union([z.literal(0), z.number().min(1, STRAGGLERS)], { error: STRAGGLERS })
    .default(3)
    .describe(
      "A rung closes without a trial that takes this many times the median of the others; 0 waits for all.",
    ),
});

export const adaptiveAsha = z.strictObject({
  name: z.literal("adaptive_asha"),
  ...common,
  max_trials: maxTrials,
  max_concurrent_trials: concurrent,
  divisor: divisor(4),
  mode: z
    .enum(["aggressive", "standard", "conservative"])
    .default("standard")
    .describe("How early the brackets stop trials: most, half and half, least."),
  max_rungs: rungs.default(5).describe("Most rungs of a bracket."),
  bracket_rungs: z
    .array(rungs)
    .max(RUNGS_MAX)
    .default(() => [])
    .describe("Rungs of each bracket; empty leaves it to mode and max_rungs."),
  stop_once: stopOnce(false),
});

/** By the name in the file, in the order of the documents. */
export const SEARCHERS = {
  single,
  random,
  grid,
  asha,
  hyperband,
  adaptive_asha: adaptiveAsha,
  async_halving: asyncHalving,
} as const;
export type SearcherName = keyof typeof SEARCHERS;

/** One sentence on each, for the documents. */
export const SEARCHER_TEXT: { readonly [K in SearcherName]: string } = {
  single: "One trial. The metric and the length may be left out.",
  random: "Independent random trials.",
  grid: "Every combination; int, double and log parameters need a count.",
  asha: "Asynchronous successive halving, promoting by default.",
  hyperband: "Synchronous brackets of successive halving.",
  adaptive_asha: "Brackets of asha with different numbers of rungs.",
  async_halving:
    "The stopping form of asha under the name that Determined gave it; stored as asha with stop_once: true.",
};

export const searcher = z.union([...Object.values(SEARCHERS), unnamed]);

type SearcherInFile = z.output<typeof searcher>;
/** Resolved: async_halving has become asha. */
export type Searcher = Exclude<SearcherInFile, { name: "async_halving" }>;
export type MaxLength = NonNullable<Searcher["max_length"]>;
