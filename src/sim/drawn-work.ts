/** The experiments that a seed stands for: over every search method, with and without limits of their own. */
import type { Random } from "../base/random.ts";
import type { ExperimentConfig } from "../protocol/config/config.ts";
import { readDrawn } from "./drawn-config.ts";
import { chance, pick } from "./draws.ts";
import type { Size } from "./sizes.ts";

export interface Submission {
  readonly key: string;
  readonly atMs: number;
  readonly config: ExperimentConfig;
  readonly paused: boolean;
}

const METHODS = [
  "single",
  "random",
  "grid",
  "asha",
  "asha",
  "hyperband",
  "adaptive_asha",
  "adaptive_asha",
  null,
] as const;

export function drawSubmission(
  random: Random,
  index: number,
  cluster: { readonly slots: number; readonly untilMs: number; readonly size: Size },
): Submission {
  const { untilMs } = cluster;
  const config = readDrawn(drawDocument(random, index, cluster));
  return {
    key: `submission ${index}`,
    atMs: index === 0 ? 20 : random.below(untilMs),
    config,
    paused: chance(random, 0.1),
  };
}

/** As a person would have written it. */
export function drawDocument(
  random: Random,
  index: number,
  { slots, size }: { readonly slots: number; readonly size: Size },
): Readonly<Record<string, unknown>> {
  const document = {
    name: `work-${index}`,
    ...{ workspace: "default", project: "default", entrypoint: "train" },
    max_restarts: random.below(4),
    // Of those who ignore it; a real one is an hour.
    preemption_timeout: 1 + random.below(Math.ceil(10 * size.pace)),
    reproducibility: { experiment_seed: random.uint32() },
    resources: {
      slots_per_trial: chance(random, 0.8) ? 1 : 1 + random.below(slots),
      ...(chance(random, 0.2) ? { max_slots: slots } : {}),
      priority: 1 + random.below(99),
    },
    hyperparameters: {
      rate: { type: "log", base: 10, minval: -4, maxval: -1, count: 3 },
      kind: { type: "categorical", vals: ["a", "b"] },
    },
    ...(chance(random, 0.35) ? { budget: drawBudget(random) } : {}),
    searcher: drawSearcher(random, size),
  };
  return perhapsDeterministic(document);
}

/** Some are, of those that may be. No draw is spent on it, so that what a seed stands for stays what it was. */
function perhapsDeterministic<
  D extends { reproducibility: { experiment_seed: number }; budget?: object; searcher: object },
>(document: D): D {
  const { reproducibility, budget = {}, searcher } = document;
  const clocks = { ...budget, ...searcher } as Record<string, unknown>;
  const byClock = ["steps", "time", "slot_hours", "time_metric"].some((name) => name in clocks);
  if (reproducibility.experiment_seed % 3 !== 0 || byClock || clocks.straggler_factor)
    return document;
  return { ...document, reproducibility: { ...reproducibility, deterministic_search: true } };
}

function drawBudget(random: Random): Record<string, unknown> {
  switch (random.below(4)) {
    case 0:
      return { steps: 1 + random.below(30) };
    case 1:
      return { time: 1 + random.below(15) };
    case 2:
      return { slot_hours: (1 + random.below(60)) / 3600 };
    default:
      return { trials: 6 + random.below(6) };
  }
}

function drawSearcher(random: Random, size: Size): Record<string, unknown> {
  const name = pick(random, METHODS) ?? null;
  const byTime = chance(random, 0.15) && name !== "single";
  const steps = 1 + random.below(chance(random, 0.1) ? 3 * size.steps : size.steps);
  // However small a run is, a grid has all of its six points.
  const length = name === "grid" ? Math.ceil(steps / 2) : steps;
  const common = {
    ...(name === null ? {} : { name }),
    metric: "loss",
    smaller_is_better: chance(random, 0.8),
    ...(byTime ? { max_time: length, time_metric: "time" } : { max_length: { epochs: length } }),
  };
  const many = {
    max_trials: 1 + random.below(chance(random, 0.15) ? 2 * size.trials + 2 : size.trials),
  };
  const concurrent = { max_concurrent_trials: random.below(5) };
  switch (name) {
    case "single":
      return chance(random, 0.3) ? { ...common, metric: null } : common;
    case "grid":
      return { ...common, ...concurrent };
    case "random":
      return { ...common, ...many, ...concurrent };
    case "hyperband":
      return {
        ...common,
        ...many,
        divisor: 2 + random.below(2),
        straggler_factor: random.below(3),
      };
    case "asha":
    case "adaptive_asha":
      return {
        ...common,
        ...many,
        ...concurrent,
        divisor: 2 + random.below(3),
        stop_once: chance(random, 0.4),
        ...(name === "asha" && chance(random, 0.5) ? { num_rungs: 1 + random.below(3) } : {}),
      };
    default:
      return { ...common, ...many, ...concurrent };
  }
}
