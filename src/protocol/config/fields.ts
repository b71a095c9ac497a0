/**
 * Every field that is served, once: this is what validation, the TypeScript types, the JSON Schema for
 * editors and the table in docs/configuration.md are made from. `describe` is the text of the
 * documents; the second argument of a union or pattern is the end of "it must be …".
 *
 * null means missing everywhere but inside `hyperparameters` and `data`, and is dropped before these
 * schemas see it. Rules between fields are not here: zod stops at the first of them when a field is
 * wrong already, and users are owed all faults at once.
 */
import * as z from "zod";
import { DURATION, secondsOf } from "./duration.ts";
import { RESERVED_NAMES } from "./issue.ts";

/** Optional, and null in the resolved configuration when it was left out. */
export const orNull = <T extends z.ZodType>(schema: T) => schema.nullable().default(null);

/** A list or map default has to be made afresh for every configuration. */
const emptyList = <T extends z.ZodType>(items: T) => z.array(items).default(() => []);

/** A name that may become a key in records: anything short but the reserved three. */
export const keyName = z
  .string()
  .regex(
    new RegExp(`^(?!(?:${RESERVED_NAMES.join("|")})$)[\\s\\S]{1,200}$`),
    `a name of 1 to 200 characters other than ${RESERVED_NAMES.join(", ")}`,
  );

const line = z.string().regex(/^[^\r\n]{1,200}$/, "1 to 200 characters on one line");

const roomName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$/,
    "1 to 100 letters, digits, spaces, dots, hyphens and underscores, beginning with a letter or digit",
  );

export const duration = z.union(
  [
    z.number().positive(),
    z
      .string()
      .regex(DURATION, "a length of time such as 90s, 15m, 2h, 1d or 1h30m")
      .transform((text) => secondsOf(text)!),
  ],
  { error: "a number of seconds, or a length of time such as 90s, 15m, 2h, 1d or 1h30m" },
);

const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const nameRule = "a name of letters, digits and underscores that does not begin with a digit";

const environmentVariables = z
  .union(
    [
      z
        .array(
          z
            .string()
            .regex(
              /^[A-Za-z_][A-Za-z0-9_]*=[\s\S]*$/,
              "NAME=VALUE, the name of letters, digits and underscores",
            ),
        )
        .transform((pairs) => {
          const split = (pair: string): [string, string] => [
            pair.slice(0, pair.indexOf("=")),
            pair.slice(pair.indexOf("=") + 1),
          ];
          return Object.fromEntries(pairs.map(split));
        }),
      z
        .record(
          z.string().regex(ENVIRONMENT_NAME, nameRule),
          z.union([z.string(), z.int(), z.boolean()], {
            error: ({ input }) =>
              Array.isArray(input)
                ? "one value; a list for each kind of device (cpu, cuda, rocm) is not served yet: give one list of NAME=VALUE for all"
                : "text, a whole number, true or false (quote other numbers: their spelling is kept as text only)",
          }),
        )
        .transform((map) =>
          Object.fromEntries(Object.entries(map).map(([name, value]) => [name, String(value)])),
        ),
    ],
    { error: "a list of NAME=VALUE or a map of names to values" },
  )
  .default(() => ({}));

const resources = z.strictObject({
  slots_per_trial: z
    .int()
    .min(1, "at least 1 (trials without slots are not served yet)")
    .max(1024)
    .default(1)
    .describe("Slots that one trial trains on at a time, all or none of them."),
  max_slots: orNull(z.int().min(1)).describe(
    "Most slots that the whole experiment holds at a time.",
  ),
  priority: z
    .int()
    .min(1)
    .max(99)
    .default(42)
    .describe("Place in the queue; a smaller number goes first."),
  resource_pool: z
    .enum(["", "default"])
    .default("default")
    .transform((): "default" => "default")
    .describe("There is one pool so far; its name is default and may be left out."),
  is_single_node: orNull(z.boolean()).describe(
    "Accepted for existing files; on one machine it changes nothing.",
  ),
});

const environment = z.strictObject({
  environment_variables: environmentVariables.describe(
    "Variables set for the training processes: a list of NAME=VALUE or a map. Of a name given twice the last counts.",
  ),
});

const keptCount = (fallback: number) => z.int().min(0).max(1_000_000).default(fallback);

const checkpointStorage = z.strictObject({
  save_experiment_best: keptCount(0).describe(
    "How many of the experiment's best checkpoints stay, by the searcher's metric at their step.",
  ),
  save_trial_best: keptCount(1).describe("How many of each trial's best stay."),
  save_trial_latest: keptCount(1).describe("How many of each trial's latest stay."),
});

const reproducibility = z.strictObject({
  experiment_seed: orNull(z.int().min(0).max(4_294_967_295)).describe(
    "Seed of every random choice of the search and of the trials' own seeds. Left out, one is drawn at submission and stored.",
  ),
  deterministic_search: z
    .boolean()
    .default(false)
    .describe(
      "true: results count in virtual order instead of the order of arrival, so that the same seed gives the same decisions for any number of slots; results wait for each other meanwhile.",
    ),
});

const money = z.strictObject({
  max: z.number().positive().describe("Most that may be spent."),
  per_slot_hour: z.number().positive().describe("Price of one slot for one hour."),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, "three capital letters such as EUR or USD")
    .default("EUR")
    .describe("Unit of the two, for display."),
});

const energy = z.strictObject({
  max_kwh: z.number().positive().describe("Most kilowatt-hours that may be used."),
  watts_per_slot: z.number().positive().describe("Draw of one slot at work."),
});

const budget = z.strictObject({
  trials: orNull(z.int().min(1)).describe("Most trials that are ever started."),
  steps: orNull(z.int().min(1)).describe("Most steps trained, over all trials together."),
  time: orNull(duration).describe(
    "Most wall time from the first start; seconds, or 90s, 15m, 2h, 1d.",
  ),
  slot_hours: orNull(z.number().positive()).describe("Most hours times slots."),
  money: orNull(money).describe("Most money, by the price of a slot hour."),
  energy: orNull(energy).describe("Most energy, by the draw of a slot."),
});

/** Any JSON value: passed on to the training code as it is. */
const free = z.json();

/** Everything but `searcher` and `hyperparameters`, which choose their schemas by what they hold. */
export const topLevel = z.strictObject({
  version: z
    .literal([0, 1])
    .default(1)
    .transform((): 1 => 1)
    .describe("Version of this format. 0, as Determined counted, is read as 1."),
  name: orNull(line).describe("How the experiment is called; made up at submission when left out."),
  description: orNull(z.string().max(20_000)).describe("Free text."),
  labels: emptyList(keyName)
    .transform((labels) => [...new Set(labels)])
    .describe("Words to find the experiment by; a label given twice counts once."),
  workspace: orNull(roomName).describe(
    "Where the experiment lives; together with project or not at all.",
  ),
  project: orNull(roomName).describe(
    "Project in the workspace; together with workspace or not at all.",
  ),
  data: z
    .record(keyName, free)
    .default(() => ({}))
    .describe(
      "What the training code reads, by name: a dataset as NAME@VERSION or NAME@latest, or any value, passed on as it is.",
    ),
  entrypoint: orNull(
    z.union([z.string().regex(/\S/, "a command"), z.array(z.string().min(1)).min(1)], {
      error: "a command as text or as a list of words",
    }),
  ).describe("Command that trains: text for a shell, or a list of words. Required at submission."),
  max_restarts: z
    .int()
    .min(0)
    .max(10_000)
    .default(5)
    .describe("How often a trial that failed by itself is started again from its last checkpoint."),
  preemption_timeout: z
    .int()
    .min(0)
    .max(604_800)
    .default(3600)
    .describe("Seconds that a trial asked to yield may take to save and end before it is killed."),
  debug: z.literal(false).default(false).describe("Accepted as false for existing files."),
  checkpoint_storage: checkpointStorage
    .prefault({})
    .describe(
      "Which checkpoints stay; what a trial that is not over needs stays in any case. See retention.md.",
    ),
  reproducibility: reproducibility.prefault({}).describe("Where randomness begins."),
  resources: resources.prefault({}).describe("What each trial runs on."),
  environment: environment.prefault({}).describe("What the training processes find around them."),
  budget: orNull(budget).describe(
    "What may be spent; whichever limit binds first ends the search in good order.",
  ),
});

export type TopLevel = z.output<typeof topLevel>;
