/** Trials as points of the space, in the order of their numbers: what the charts of this tab share. */
import { useMemo } from "react";
import { type Axis, placeOf } from "../../../src/analysis/axes.ts";
import { objectiveOf } from "../../../src/analysis/observed.ts";
import type { Experiment, Trial } from "../../../src/protocol/api.ts";
import { standings } from "../../charts/ramp.ts";

export interface Tried {
  readonly trial: Trial;
  /** By axis; undefined where the trial has no such parameter. */
  readonly places: readonly (number | undefined)[];
  readonly objective: number;
  /** 1 = best, 0 = worst. */
  readonly standing: number;
}

export function triedOf(
  axes: readonly Axis[],
  trials: Iterable<Trial>,
  smallerIsBetter: boolean,
): Tried[] {
  const judged = [...trials].flatMap((trial) => {
    const objective = objectiveOf(trial);
    return objective === undefined ? [] : [{ trial, objective }];
  });
  const shares = standings(
    judged.map(({ objective }) => objective),
    smallerIsBetter,
  );
  return judged.map(({ trial, objective }, i) => ({
    ...{ trial, objective, standing: shares[i] as number },
    places: axes.map((axis) => placeOf(axis, trial.hyperparameters)),
  }));
}

export function useTried(
  { trials, experiment }: { trials: ReadonlyMap<string, Trial>; experiment: Experiment },
  axes: readonly Axis[] | undefined,
): readonly Tried[] | undefined {
  const smaller = experiment.searcher.smaller_is_better;
  return useMemo(
    () => (axes === undefined ? undefined : triedOf(axes, trials.values(), smaller)),
    [axes, trials, smaller],
  );
}

export const bestOf = (tried: readonly Tried[]): Tried | undefined =>
  tried.reduce<Tried | undefined>(
    (best, one) => (best === undefined || one.standing > best.standing ? one : best),
    undefined,
  );
