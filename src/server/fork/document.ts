/**
 * The configuration of a copy, as text that a person can read and change: the parent's own words wherever they still say
 * what its resolved configuration says, and beyond them exactly what they left open then (a seed that was drawn, the
 * version that @latest meant, a default that has another value today).
 *
 * The resolved configuration decides, the text follows it: what the edited text is read as is compared with what is
 * wanted, and where the two differ all the same (an alias, a form that is refused today) the text is written anew.
 */
import { assert } from "../../base/assert.ts";
import { allDifferences, firstDifference } from "../../base/difference.ts";
import type { Json, JsonObject } from "../../base/json.ts";
import { sample } from "../../core/space/sample.ts";
import { sameJson } from "../../core/space/tree.ts";
import {
  checkConfigValue,
  type ExperimentConfig,
  readConfig,
  toSpace,
  withoutNulls,
} from "../../protocol/config/config.ts";
import { type Edit, editText, textOf } from "../../protocol/config/edit.ts";
import type { Issue } from "../../protocol/config/issue.ts";
import { valueAt } from "../../protocol/config/schema-walk.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { ExperimentRow, TrialRow } from "../../store/schema.ts";
import { storableJson } from "../../store/storable.ts";

export interface ForkSource {
  readonly experiment: Pick<ExperimentRow, "id" | "config" | "config_text" | "data" | "seed">;
  /** A copy of this one alone, with its hyperparameters and its seed. */
  readonly trial: Pick<TrialRow, "number" | "hyperparameters" | "seed" | "restarts"> | null;
}

/** How a replay differs from a fork. */
export interface Repetition {
  /** How far to train; null = until the program ends by itself. */
  readonly steps: number | null;
  readonly unit: string;
  /** Where the trial saved checkpoints. Ascending. */
  readonly checkpointSteps: readonly number[];
  /** What is asked of the environment, by hash of what was recorded; null = nothing. */
  readonly require: string | null;
  readonly rebuild: string | null;
  /** The image that it ran in, by what it consists of; null = it ran in none. */
  readonly image: string | null;
}

export interface ForkDocument {
  readonly text: string;
  /** What the text is read as. */
  readonly config: JsonObject;
}

/** @throws ContrailError invalid_config where this version refuses what the parent asked for */
export function forkDocument(source: ForkSource, repetition?: Repetition): ForkDocument {
  const wanted = resolved(wantedConfig(source, repetition));
  const text = editedText(source.experiment.config_text, wanted) ?? textOf(withoutNulls(wanted));
  assert(saysExactly(text, wanted), "the text of a copy is read as something else");
  return { text, config: wanted };
}

function wantedConfig({ experiment, trial }: ForkSource, repetition?: Repetition): JsonObject {
  const config = experiment.config as unknown as ExperimentConfig;
  const reproducibility = { ...config.reproducibility, experiment_seed: Number(experiment.seed) };
  const all = { ...experiment.config, data: pinnedData(config, experiment.data), reproducibility };
  if (trial === null) return all as unknown as JsonObject;
  const { metric, smaller_is_better, max_length, max_time, time_metric } = config.searcher;
  const { source_checkpoint_uuid = null } = config.searcher;
  const length =
    repetition === undefined
      ? { max_length, max_time, time_metric }
      : { max_length: lengthOf(repetition), max_time: null, time_metric: null };
  const single = {
    ...all,
    searcher: { name: "single", metric, smaller_is_better, ...length, source_checkpoint_uuid },
    hyperparameters: constants(trial.hyperparameters),
    reproducibility: {
      ...reproducibility,
      deterministic_search: false,
      trial_seed: Number(trial.seed),
      ...(repetition ? { checkpoint_steps: repetition.checkpointSteps } : {}),
    },
    ...(repetition ? forComparison(config, trial.restarts, repetition) : {}),
  };
  return single as unknown as JsonObject;
}

/** What is to be compared must not be deleted or cut short before it was. */
const forComparison = (
  config: ExperimentConfig,
  restarts: number,
  { checkpointSteps, require, rebuild, image }: Repetition,
) => ({
  budget: null,
  environment: {
    ...config.environment,
    require,
    ...(rebuild === null ? {} : { rebuild }),
    // Not what the name stands for today.
    ...(image === null ? {} : { image, force_pull_image: false }),
  },
  // As often as it failed and went on; one that fails more often does not do the same.
  max_restarts: restarts,
  checkpoint_storage: {
    ...config.checkpoint_storage,
    save_trial_latest: Math.max(
      checkpointSteps.length + 1,
      config.checkpoint_storage.save_trial_latest,
    ),
  },
});

const UNITS = ["steps", "epochs", "batches", "records"];

const lengthOf = ({ steps, unit }: Repetition): JsonObject | null =>
  steps === null ? null : { [UNITS.includes(unit) ? unit : "steps"]: steps };

/** The versions that were resolved at submission, whatever is latest now. */
function pinnedData(config: ExperimentConfig, resolvedData: JsonObject): JsonObject {
  const pinned = Object.entries(config.data).map(([name, value]): [string, Json] => {
    const item = Object.hasOwn(resolvedData, name) ? resolvedData[name] : undefined;
    const dataset = valueAt(item, ["dataset"]);
    return [name, typeof dataset === "string" ? dataset : (value as Json)];
  });
  return Object.fromEntries(pinned);
}

/** A choice of hyperparameters as a space with that choice alone, in the plainest form that gives it back. */
export function constants(choice: JsonObject): JsonObject {
  const plain = Object.fromEntries(
    Object.entries(choice).map(([name, value]) => [name, constant(value as Json)]),
  );
  const reading = checkConfigValue({ entrypoint: "-", hyperparameters: plain });
  if (reading.ok && sameJson(sample(toSpace(plain), 0, 1), choice)) return plain;
  return Object.fromEntries(
    Object.entries(choice).map(([name, val]) => [name, { type: "const", val }]),
  );
}

/** A map without `type` is a group of constants, which can be changed one by one. */
function constant(value: Json): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const map = value as JsonObject;
  if (Object.hasOwn(map, "type") || Object.keys(map).length === 0)
    return { type: "const", val: map };
  return Object.fromEntries(
    Object.entries(map).map(([name, inner]) => [name, constant(inner as Json)]),
  );
}

function resolved(wanted: JsonObject): JsonObject {
  const reading = checkConfigValue(wanted);
  if (reading.ok) return storableJson(reading.config) as unknown as JsonObject;
  throw new ContrailError(
    "invalid_config",
    `the configuration of what is copied is refused by this version: ${reading.issues[0]?.message}`,
    { issues: reading.issues.map(({ code, path, message }: Issue) => ({ code, path, message })) },
  );
}

/** @returns undefined where the text cannot be made to say it */
function editedText(text: string, wanted: JsonObject): string | undefined {
  const reading = readConfig(text);
  if (!reading.ok) return undefined;
  const edits = allDifferences(storableJson(reading.config), wanted).map(({ parts }): Edit => {
    // A list as a whole: what stands at a place of it means nothing without the others.
    const index = parts.findIndex((part) => typeof part === "number");
    const path = index === -1 ? parts : parts.slice(0, index);
    const value = valueAt(wanted, path) as Json | undefined;
    return { path, value: value === null ? undefined : value };
  });
  try {
    const edited = editText(text, edits, wanted);
    return saysExactly(edited, wanted) ? edited : undefined;
  } catch {
    // The library refuses some documents that can be read: those are written anew.
    return undefined;
  }
}

function saysExactly(text: string, wanted: JsonObject): boolean {
  const reading = readConfig(text);
  return reading.ok && firstDifference(storableJson(reading.config), wanted) === undefined;
}
