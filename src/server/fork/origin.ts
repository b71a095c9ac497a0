/**
 * Where a submission comes from: looked up and checked before anything is made, written in the transaction that makes the
 * experiment, so that no copy is ever without its parent.
 */

import { allDifferences } from "../../base/difference.ts";
import type { Json, JsonObject } from "../../base/json.ts";
import type { AncestryKind, Override, ParentGiven } from "../../protocol/api.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import { type Path, renderPath } from "../../protocol/config/issue.ts";
import { maskedAt } from "../../protocol/config/masked.ts";
import { readTrial } from "../../store/experiment-reads.ts";
import { storable } from "../../store/storable.ts";
import { experimentHead, noTrial, type RouteContext } from "../http/context.ts";

export interface Origin {
  readonly kind: AncestryKind;
  readonly experiment: number | null;
  readonly trial: number | null;
  readonly label: string | null;
  /** What the new configuration is compared with; null where there is nothing to compare. */
  readonly base: JsonObject | null;
}

/** @throws ContrailError not_found */
export async function givenOrigin(
  { readPool }: Pick<RouteContext, "readPool">,
  given: ParentGiven,
): Promise<Origin> {
  const { kind, experiment, trial, label } = given;
  if (experiment === null) return { ...given, base: null };
  const { config: base } = await experimentHead({ readPool }, experiment);
  if (trial !== null && !(await readTrial(readPool, experiment, trial)))
    throw noTrial(`${experiment}.${trial}`);
  return { kind, experiment, trial, label, base };
}

/** More than this nobody reads, and a configuration can hold ten thousand values. */
const OVERRIDES_MAX = 500;

/** `searcher.max_trials`, as `--set` takes it. */
export const settingPath = (parts: Path): string => renderPath(parts).replace(/^\./, "");

/** What differs between two resolved configurations, by path as `--set` takes it; of secrets only that they do. */
export function overridesOf(base: JsonObject, config: ExperimentConfig | JsonObject): Override[] {
  return allDifferences(base, config)
    .slice(0, OVERRIDES_MAX)
    .map(({ parts, left, right }) => ({
      path: settingPath(parts),
      ...(left === undefined ? {} : { from: maskedAt(left as Json, parts) as Override["from"] }),
      ...(right === undefined ? {} : { to: maskedAt(right as Json, parts) as Override["to"] }),
    }));
}

export function ancestryRow(
  experiment: number,
  origin: Origin,
  { overrides, at }: { overrides: readonly Override[]; at: Date },
) {
  return {
    experiment_id: experiment,
    kind: origin.kind,
    parent_experiment: origin.experiment,
    parent_trial: origin.trial,
    parent_label: origin.label === null ? null : storable(origin.label),
    overrides,
    at,
  };
}

const MADE = {
  fork: "forked from",
  replay: "a replay of",
  copy: "a copy of",
  import: "imported from",
} as const;

/** For the log of changes, e.g. `forked from trial 3.12 with hyperparameters.lr changed`. */
export function originText(origin: Origin, overrides: readonly Override[]): string {
  const { kind, experiment, trial, label } = origin;
  const from =
    experiment === null
      ? (label ?? "elsewhere")
      : trial === null
        ? `experiment ${experiment}`
        : `trial ${experiment}.${trial}`;
  if (overrides.length === 0) return `${MADE[kind]} ${from}`;
  const paths = overrides.slice(0, 3).map(({ path }) => path);
  const more = overrides.length > 3 ? ` and ${overrides.length - 3} more` : "";
  return `${MADE[kind]} ${from} with ${paths.join(", ")}${more} changed`;
}
