/**
 * Grid search: trial n is point n-1 of the grid, from the first point to the last, each exactly
 * once whatever fails, restarts or runs beside it. Nothing about the grid is kept in the state; the
 * number of the trial is the point. Impossible points are not replaced: there is no other point to try.
 */
import { gridOf } from "../space/grid.ts";
import type { Choose } from "./race.ts";
import { fullLengthPlan } from "./random.ts";
import type { MethodSpec, SearchSpec } from "./search.ts";
import type { Plan } from "./state.ts";

type GridSearch = Extract<MethodSpec, { name: "grid" }>;

export const chooseGridPoint: Choose = (spec, trialNumber) =>
  gridOf(spec.space).at(trialNumber - 1);

/** @throws AssertionFailed for a space that has no grid (the configuration refuses it first) */
export const planGrid = (spec: SearchSpec, method: GridSearch): Plan => ({
  ...fullLengthPlan(spec, { ...method, trials: gridOf(spec.space).size }),
  replacementsMax: 0,
});
