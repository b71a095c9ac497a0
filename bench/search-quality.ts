/**
 * Is the default search worth having? Three questions, on synthetic learning curves:
 *
 * 1. At equal training steps, does it find a model at least as good as random search does?
 * 2. Does it matter where early stopping begins? (The smallest rung, over a factor of 16.)
 * 3. What does stopping early cost: how much better than the chosen trial is the one that would
 *    have been best, had all of them been trained to the end?
 *
 * Every comparison is paired: the same hidden optimum and the same seed for both sides. Intervals are
 * 95 % by bootstrap over the seeds. Losses are without noise, at the step the chosen trial was
 * trained to. Run alone with `node bench/search-quality.ts [--seeds N] [--json FILE]`.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { keyed } from "../src/base/random.ts";
import { type CurveName, curveFor, curveNames } from "../src/core/search/curves.ts";
import { chooseMethod } from "../src/core/search/default-method.ts";
import { preview } from "../src/core/search/preview.ts";
import type { MethodSpec, SearchSpec } from "../src/core/search/search.ts";
import { type Simulation, simulate } from "../src/core/search/simulate.ts";
import type { Space } from "../src/core/space/space.ts";

const SLOTS = 8;
const STEPS_MAX = 81;
const SWEEP_STEPS_MAX = 256;
const SWEEP_RUNGS = [9, 8, 7, 6, 5];
const SWEEP_BUDGET = 40 * SWEEP_STEPS_MAX;

const space: Space = {
  type: "nested",
  children: [
    { name: "batch_size", parameter: { type: "categorical", values: [16, 32, 64, 128] } },
    { name: "dropout", parameter: { type: "double", min: 0, max: 0.6 } },
    {
      name: "learning_rate",
      parameter: { type: "log", base: 10, minExponent: -5, maxExponent: -1 },
    },
    {
      name: "momentum",
      parameter: {
        type: "double",
        min: 0.5,
        max: 1,
        when: { path: ["optimizer"], values: ["sgd"] },
      },
    },
    { name: "optimizer", parameter: { type: "categorical", values: ["adam", "sgd"] } },
    { name: "units", parameter: { type: "int", min: 16, max: 512 } },
  ],
};

export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

export interface SearchQuality {
  readonly seeds: number;
  readonly againstRandom: readonly {
    readonly method: string;
    readonly family: CurveName;
    readonly loss: number;
    readonly lossOfRandom: number;
    /** Loss of random search minus the method's; above 0 the method is better. */
    readonly gain: Interval;
    readonly verdict: "better" | "equal" | "worse";
    /** Mean steps trained, in trainings of full length. */
    readonly fullTrainings: number;
  }[];
  readonly smallestRung: readonly {
    readonly family: CurveName;
    readonly losses: readonly { readonly step: number; readonly loss: number }[];
    /** The worst of the sweep minus the best of it. */
    readonly spread: number;
    /** Random search at the same steps minus the worst of the sweep. */
    readonly worstAgainstRandom: Interval;
  }[];
  readonly stoppedBest: readonly {
    readonly family: CurveName;
    /** How often the best trial was stopped before its end, 0 … 1. */
    readonly share: number;
    readonly regret: Interval;
  }[];
}

interface Played {
  readonly loss: number;
  readonly result: Simulation;
}

function play(family: CurveName, method: MethodSpec, seed: number): Played {
  const curve = curveFor(family, { space, stepsMax: method.stepsMax, seed });
  const spec: SearchSpec = { space, seed, smallerIsBetter: true, method };
  const result = simulate(spec, curve, { slots: SLOTS, seed, jitter: 0.3 });
  const { best } = result;
  return { loss: best ? curve.truth(best.hyperparameters, best.steps) : 1, result };
}

/** Random search with at least as many steps, on the same curves from another seed of samples. */
function playRandom(family: CurveName, stepsMax: number, steps: number, seed: number): number {
  const curve = curveFor(family, { space, stepsMax, seed });
  const trialsMax = Math.max(1, Math.ceil(steps / stepsMax));
  const method: MethodSpec = { name: "random", trialsMax, stepsMax, concurrentMax: 0 };
  const spec: SearchSpec = { space, seed: seed + 1_000_000, smallerIsBetter: true, method };
  const { best } = simulate(spec, curve, { slots: SLOTS, seed });
  return best ? curve.truth(best.hyperparameters, best.steps) : 1;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The mean with its 95 % interval by resampling the seeds 2,000 times. */
function intervalOf(values: readonly number[], key: string): Interval {
  const random = keyed(1, "bootstrap", key);
  const means = Array.from({ length: 2000 }, () =>
    mean(values.map(() => values[random.below(values.length)] as number)),
  ).sort((a, b) => a - b);
  return { mean: mean(values), low: means[49] as number, high: means[1949] as number };
}

function methods(): { name: string; method: MethodSpec }[] {
  const { method } = chooseMethod({ space, stepsMax: STEPS_MAX });
  const trialsMax = method.name === "asha" ? method.trialsMax : 1;
  const limits = { trialsMax, divisor: 3, stepsMax: STEPS_MAX, concurrentMax: 16 };
  return [
    { name: "default", method },
    { name: "asha stopping", method: { name: "asha", form: "stopping", rungs: 5, ...limits } },
    { name: "hyperband", method: { name: "hyperband", stragglerFactor: 4, ...limits } },
    {
      name: "adaptive_asha",
      method: {
        name: "adaptive_asha",
        form: "promoting",
        mode: "standard",
        rungsMax: 5,
        bracketRungs: [],
        ...limits,
      },
    },
  ];
}

/** @param seeds pairs per comparison, >= 10 for intervals worth reading */
export async function searchQuality(seeds = 20): Promise<SearchQuality> {
  const numbers = Array.from({ length: seeds }, (_, i) => i + 1);
  const againstRandom: SearchQuality["againstRandom"][number][] = [];
  const stoppedBest: SearchQuality["stoppedBest"][number][] = [];
  for (const { name, method } of methods()) {
    for (const family of curveNames) {
      const played = numbers.map((seed) => play(family, method, seed));
      const random = played.map(({ result }, i) =>
        playRandom(family, STEPS_MAX, result.stepsTrained, numbers[i] as number),
      );
      const gain = intervalOf(
        played.map(({ loss }, i) => (random[i] as number) - loss),
        `${name} ${family}`,
      );
      againstRandom.push({
        method: name,
        family,
        loss: mean(played.map(({ loss }) => loss)),
        lossOfRandom: mean(random),
        gain,
        verdict: gain.low > 0 ? "better" : gain.high < 0 ? "worse" : "equal",
        fullTrainings: mean(played.map(({ result }) => result.stepsTrained / STEPS_MAX)),
      });
      if (name === "default") stoppedBest.push(stoppedBestOf(family, played));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return {
    seeds,
    againstRandom,
    smallestRung: curveNames.map((f) => sweep(f, numbers)),
    stoppedBest,
  };
}

function stoppedBestOf(
  family: CurveName,
  played: readonly Played[],
): SearchQuality["stoppedBest"][number] {
  const stopped = played.filter(({ result }) => {
    const best = result.trials.find((trial) => trial.trial === result.bestInFull?.trial);
    return best !== undefined && best.steps < STEPS_MAX;
  });
  return {
    family,
    share: stopped.length / played.length,
    regret: intervalOf(
      played.map(({ result }) => result.regret),
      `regret ${family}`,
    ),
  };
}

/** The same budget with the smallest rung at 1, 2, 4, 8 and 16 of 256 steps. */
function sweep(family: CurveName, seeds: readonly number[]): SearchQuality["smallestRung"][number] {
  const runs = SWEEP_RUNGS.map((rungs) => {
    const method = withinBudget(rungs);
    const played = seeds.map((seed) => play(family, method, seed));
    return {
      step: SWEEP_STEPS_MAX / 2 ** (rungs - 1),
      played,
      loss: mean(played.map((p) => p.loss)),
    };
  });
  const worst = runs.reduce((a, b) => (b.loss > a.loss ? b : a));
  const random = worst.played.map(({ result }, i) =>
    playRandom(family, SWEEP_STEPS_MAX, result.stepsTrained, seeds[i] as number),
  );
  const gains = worst.played.map(({ loss }, i) => (random[i] as number) - loss);
  return {
    family,
    losses: runs.map(({ step, loss }) => ({ step, loss })),
    spread: worst.loss - Math.min(...runs.map(({ loss }) => loss)),
    worstAgainstRandom: intervalOf(gains, `sweep ${family}`),
  };
}

/** As many trials as the budget is expected to pay for. */
function withinBudget(rungs: number): MethodSpec {
  const method = (trialsMax: number): MethodSpec => ({
    name: "asha",
    form: "promoting",
    divisor: 2,
    stepsMax: SWEEP_STEPS_MAX,
    concurrentMax: 16,
    rungs,
    trialsMax,
  });
  const cost = (trialsMax: number): number =>
    preview({ space, seed: 1, smallerIsBetter: true, method: method(trialsMax) }).stepsExpected;
  let trials = 2 ** (rungs - 1);
  while (cost(trials + 1) <= SWEEP_BUDGET) trials++;
  return method(trials);
}

const figure = (value: number): string => value.toFixed(4).padStart(8);
const range = ({ mean: m, low, high }: Interval): string =>
  `${figure(m)} [${figure(low)}, ${figure(high)}]`;

/** The report as text for a terminal. */
export function searchQualityTable(quality: SearchQuality): string {
  const lines = [
    `Search against random search at equal training steps, ${quality.seeds} paired seeds`,
    `${"method".padEnd(14)} ${"curves".padEnd(13)} ${"loss".padStart(8)} ${"random".padStart(8)}  gain [95 %]                    verdict  full trainings`,
    ...quality.againstRandom.map(
      (r) =>
        `${r.method.padEnd(14)} ${r.family.padEnd(13)} ${figure(r.loss)} ${figure(r.lossOfRandom)}  ${range(r.gain)}  ${r.verdict.padEnd(7)} ${r.fullTrainings.toFixed(1).padStart(7)}`,
    ),
    "",
    `Loss by smallest rung, of ${SWEEP_STEPS_MAX} steps, equal budget`,
    `${"curves".padEnd(13)} ${(quality.smallestRung[0]?.losses ?? []).map(({ step }) => String(step).padStart(8)).join(" ")}   spread  worst against random [95 %]`,
    ...quality.smallestRung.map(
      (r) =>
        `${r.family.padEnd(13)} ${r.losses.map(({ loss }) => figure(loss)).join(" ")} ${figure(r.spread)}  ${range(r.worstAgainstRandom)}`,
    ),
    "",
    "What stopping early cost the default search: its loss minus that of the best trial in full",
    `${"curves".padEnd(13)} best was stopped  regret [95 %]`,
    ...quality.stoppedBest.map(
      (r) =>
        `${r.family.padEnd(13)} ${`${(100 * r.share).toFixed(0)} %`.padStart(16)}  ${range(r.regret)}`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { json: { type: "string" }, seeds: { type: "string", default: "20" } },
  });
  const quality = await searchQuality(Number(values.seeds));
  process.stdout.write(searchQualityTable(quality));
  if (values.json) await writeFile(values.json, `${JSON.stringify(quality, undefined, 2)}\n`);
}
