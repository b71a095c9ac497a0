/** Trials as points of their space: what importance, parallel coordinates and scatter plots share. */
import { fromWire } from "../base/json.ts";
import type { Trial } from "../protocol/api.ts";
import { type Axis, placeOf } from "./axes.ts";
import type { Observation } from "./importance.ts";

/**
 * The best value that a trial has reported: NaN where it reported none that is finite, undefined where it has
 * reported nothing. How far it was trained is not taken into account; the best of those that were stopped early
 * stand where they stood.
 */
export function objectiveOf({ best, objective }: Trial): number | undefined {
  if (best !== null) return fromWire(best.objective);
  return objective === null ? undefined : fromWire(objective);
}

export function observationsOf(axes: readonly Axis[], trials: Iterable<Trial>): Observation[] {
  const observations: Observation[] = [];
  for (const trial of trials) {
    const objective = objectiveOf(trial);
    if (objective === undefined) continue;
    const places = axes.map((axis) => placeOf(axis, trial.hyperparameters));
    observations.push({ places, objective });
  }
  return observations;
}
