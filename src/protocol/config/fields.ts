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
import { bindMounts, containerEnvironment, containerResources } from "./container-fields.ts";
import { duration } from "./duration-field.ts";
import { RESERVED_NAMES } from "./issue.ts";
import { task } from "./task-fields.ts";

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
    .string()
    .regex(/^([a-z][a-z0-9-]{0,31})?$/, "the name of a pool; contrail pool list shows them")
    .default("default")
    .transform((name) => (name === "" ? "default" : name))
    .describe("Where its trials run. Left out, in the first pool of the server."),
  is_single_node: orNull(z.boolean()).describe(
    "Whether the slots of a trial have to be of one node. Left out, they are of one where they fit there.",
  ),
  ...containerResources,
});

const environmentHash = z
  .string()
  .regex(/^[0-9a-f]{64}$/, "the hash of an environment, from contrail trial show TRIAL --record");

const environment = z.strictObject({
  environment_variables: environmentVariables.describe(
    "Variables set for the training processes: a list of NAME=VALUE or a map. Of a name given twice the last counts.",
  ),
  rebuild: orNull(environmentHash).describe(
    "An environment that an earlier run had, by its hash: each trial gets the same interpreter and packages, as they are or built anew, or does not start.",
  ),
  require: orNull(environmentHash).describe(
    "An environment that an earlier run had, by its hash: where processor, GPU, driver, interpreter or a package are others, nothing is started. A replay has that of the trial that it repeats.",
  ),
  ...containerEnvironment,
});

const keptCount = (fallback: number) => z.int().min(0).max(1_000_000).default(fallback);

const checkpointStorage = z.strictObject({
  save_experiment_best: keptCount(0).describe(
    "How many of the experiment's best checkpoints stay, by the searcher's metric at their step.",
  ),
  save_trial_best: keptCount(1).describe("How many of each trial's best stay."),
  save_trial_latest: keptCount(1).describe("How many of each trial's latest stay."),
});

/** So many that a list of them is still read and sent with ease. */
export const CHECKPOINT_STEPS_MAX = 1_000;

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
  trial_seed: orNull(z.int().min(0).max(2_147_483_647)).describe(
    "Seed of the one trial of the searcher single, in place of the one that follows from experiment_seed; a fork of a trial has that trial's.",
  ),
  checkpoint_steps: z
    .array(z.int().min(1))
    .max(CHECKPOINT_STEPS_MAX)
    .default(() => [])
    .transform((steps) => [...new Set(steps)].toSorted((a, b) => a - b))
    .describe(
      "Steps at which a checkpoint is saved in any case; a replay has those of the trial that it repeats.",
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
  trials: orNull(z.int().min(1)).describe(
    "Most trials that are started. Those in place of trials with impossible hyperparameters are not counted.",
  ),
  steps: orNull(z.int().min(1)).describe("Most steps trained, over all trials together."),
  time: orNull(duration).describe(
    "Most wall time from the first start; seconds, or 90s, 15m, 2h, 1d.",
  ),
  slot_hours: orNull(z.number().positive()).describe(
    "Most hours times slots. Of a job that waits in the queue of its engine they are counted from the start of its program.",
  ),
  money: orNull(money).describe("Most money, by the price of a slot hour."),
  energy: orNull(energy).describe("Most energy, by the draw of a slot."),
});

/** Any JSON value: passed on to the training code as it is. */
const free = z.json();

export const slurm = z.strictObject({
  partition: orNull(line).describe("Left out, the pool's, or the cluster's default."),
  account: orNull(line).describe("Whom Slurm charges."),
  qos: orNull(line).describe("Slurm's quality of service."),
  gpu_type: orNull(line).describe("The type in --gres=gpu:TYPE:N."),
  time_limit: orNull(duration).describe("Of each job."),
  sbatch_args: emptyList(line).describe(
    "Further options of sbatch, one with its value an entry, such as --constraint=a100. Those that would break what Contrail promises are refused.",
  ),
});

export type SlurmFields = z.output<typeof slurm>;

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
  template: orNull(
    z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9._-]{0,127}(@[1-9][0-9]{0,8})?$/,
        "the name of a template, alone or with a version, such as base@2; contrail template list shows them",
      ),
  ).describe(
    "A template that the server keeps: what stands in it holds where this file says nothing. See templates.md.",
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
  progress_deadline: orNull(duration).describe(
    "Longest time that a running trial may go without reporting or saving, counted from the start of its processes: seconds, or 90s, 15m, 2h. One that is silent for longer is ended, which counts as a failure (max_restarts), and goes on from its last checkpoint. Not counted: waiting for the search, handing over a checkpoint, a server that is away. Left out: no limit.",
  ),
  task: orNull(task).describe(
    "What makes it a task: a command, a shell or a notebook, which is no result and stands in no list of experiments. Only with the searcher single. See tasks.md.",
  ),
  debug: z.literal(false).default(false).describe("Accepted as false for existing files."),
  checkpoint_storage: checkpointStorage
    .prefault({})
    .describe(
      "Which checkpoints stay; what a trial that is not over needs stays in any case. See retention.md.",
    ),
  reproducibility: reproducibility.prefault({}).describe("Where randomness begins."),
  resources: resources.prefault({}).describe("What each trial runs on."),
  environment: environment.prefault({}).describe("What the training processes find around them."),
  bind_mounts: bindMounts,
  slurm: orNull(slurm).describe(
    "What its jobs are, in a pool of engine slurm; what stands here counts before what the pool says. See slurm.md.",
  ),
  budget: orNull(budget).describe(
    "What may be spent; whichever limit binds first ends the search in good order.",
  ),
});

export type TopLevel = z.output<typeof topLevel>;
