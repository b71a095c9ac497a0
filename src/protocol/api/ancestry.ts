/** Where an experiment comes from, and what came of it. */
import { z } from "zod";
import { count, text, time } from "./common.ts";
import { experimentState } from "./state.ts";

/** fork: a runnable copy, changed or not. replay: run again from the record, to be compared. copy: made by hand from its text. import: from elsewhere. */
export const ancestryKind = z.enum(["fork", "replay", "copy", "import"]);
export type AncestryKind = z.infer<typeof ancestryKind>;

/** A place where the resolved configuration differs from the parent's; a value that is not there is absent. */
export const override = z.object({
  /** As `contrail fork --set` takes it, e.g. `hyperparameters.lr`. */
  path: z.string(),
  from: z.json().optional(),
  to: z.json().optional(),
});
export type Override = z.infer<typeof override>;

export const ancestry = z.object({
  kind: ancestryKind,
  /** null: what it comes from is not here. */
  experiment: z.int().nullable(),
  /** Set where it comes from one trial alone. */
  trial: z.string().nullable(),
  label: z.string().nullable(),
  /** Everything that differs from what it comes from, in the resolved configurations. */
  overrides: z.array(override),
  at: time,
});
export type Ancestry = z.infer<typeof ancestry>;

export const descendant = z.object({
  experiment: z.int(),
  name: z.string(),
  state: experimentState,
  kind: ancestryKind,
  /** Of the parent: the trial that it was made from, where it was one alone. */
  trial: z.string().nullable(),
  overrides: z.array(override),
  at: time,
});
export type Descendant = z.infer<typeof descendant>;

/** The newest; `total` counts all. */
export const descendants = z.object({ items: z.array(descendant), total: count });

const id = z.int().min(1).max(2_147_483_647);

/** What a submission says of where it comes from; what differs is found by the server. */
export const parentGiven = z
  .strictObject({
    kind: ancestryKind.exclude(["replay"]),
    experiment: id.nullable().default(null),
    /** Its number within the experiment. */
    trial: id.nullable().default(null),
    label: text(400).min(1).nullable().default(null),
  })
  .refine(
    ({ experiment, label }) => experiment !== null || label !== null,
    "must name an experiment, or say by a label what it comes from",
  )
  .refine(
    ({ experiment, trial }) => trial === null || experiment !== null,
    "must name the experiment of its trial",
  );
export type ParentGiven = z.output<typeof parentGiven>;
