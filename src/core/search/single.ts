/**
 * One trial, trained to the end. Its hyperparameters are sampled like those of any first trial, so
 * a space with ranges is allowed. Impossible hyperparameters are replaced by another sample, unless
 * the space has only one point.
 */
import { sample } from "../space/sample.ts";
import type { Choose } from "./race.ts";
import { fullLengthPlan } from "./random.ts";
import type { MethodSpec, SearchSpec } from "./search.ts";
import type { Plan } from "./state.ts";

type Single = Extract<MethodSpec, { name: "single" }>;

export const chooseSingle: Choose = (spec, trialNumber) =>
  sample(spec.space, spec.seed, trialNumber);

export const planSingle = (spec: SearchSpec, method: Single): Plan =>
  fullLengthPlan(spec, { trials: 1, stepsMax: method.stepsMax, concurrentMax: 1 });
