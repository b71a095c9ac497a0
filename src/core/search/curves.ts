/**
 * Learning curves to play searches against: loss as a function of hyperparameters and step.
 *
 * Every family has a hidden optimum somewhere in the space; the loss that a trial ends at grows
 * smoothly with its distance from there, and each family bends the way down differently, to be
 * kind or unkind to early stopping. A curve is a function of (family, seed, hyperparameters, step):
 * asking twice, or in another order, gives the same numbers. Losses lie in about 0 … 1; less is better.
 */
import { unreachable } from "../../base/assert.ts";
import type { Json } from "../../base/json.ts";
import { keyed } from "../../base/random.ts";
import type { Hyperparameters, Space } from "../space/space.ts";
import { canonical, type Leaf, leavesOf, pathKey } from "../space/tree.ts";

export const curveNames = [
  /** Power laws, ranks settle early. */
  "power",
  /** The better a trial ends, the slower it starts. */
  "crossing",
  /** Power laws under noise as large as half the spread. */
  "noisy",
  /** Half of the trials hardly move until a tenth to half of the way. */
  "late-bloomer",
  /** Everybody rests on one plateau; who leaves it, and when, decides. */
  "plateau",
  /** Power laws, but part of the space ends in NaN. */
  "divergent",
] as const;
export type CurveName = (typeof curveNames)[number];

export interface LearningCurve {
  /** What training would report at `step`, noise included; NaN where training broke down. */
  measured(hyperparameters: Hyperparameters, step: number): number;
  /** The same without noise. */
  truth(hyperparameters: Hyperparameters, step: number): number;
}

/** @param stepsMax the length at which the shapes are laid out */
export function curveFor(
  name: CurveName,
  { space, stepsMax, seed }: { space: Space; stepsMax: number; seed: number },
): LearningCurve {
  const distance = distanceFrom(space, seed);
  const truth = (hyperparameters: Hyperparameters, step: number): number => {
    const own = keyed(seed, "curve", canonical(hyperparameters));
    const traits = { far: distance(hyperparameters), a: own.unit(), b: own.unit() };
    return lossOf(name, traits, step / stepsMax);
  };
  const noiseSd = name === "noisy" ? 0.12 : 0.005;
  const measured = (hyperparameters: Hyperparameters, step: number): number =>
    truth(hyperparameters, step) +
    noiseSd * gaussian(keyed(seed, "noise", canonical(hyperparameters), step).unit);
  return { measured, truth };
}

interface Traits {
  /** 0 at the optimum … 1 */
  readonly far: number;
  /** Two properties of the trial that its hyperparameters do not explain, uniform in 0 … 1. */
  readonly a: number;
  readonly b: number;
}

/** @param done share of the full length, 0 … 1 */
function lossOf(name: CurveName, { far, a, b }: Traits, done: number): number {
  const end = 0.05 + 0.6 * far;
  const down = (speed: number, power = 0.8): number =>
    end + (1 - end) * (1 + speed * done) ** -power;
  switch (name) {
    case "power":
    case "noisy":
      return down(20 + 60 * a);
    case "crossing":
      return down(10 * (1 + 40 * far * (0.5 + a)));
    case "late-bloomer": {
      if (a < 0.5) return down(40);
      const onset = 0.1 + 0.4 * b;
      const slow = 1 - 0.1 * Math.min(done / onset, 1);
      return done < onset ? slow : end + (slow - end) * Math.exp((-(done - onset) / 0.5) * 10);
    }
    case "plateau": {
      const rest = 0.6 + 0.05 * a + (1 - 0.6) * Math.exp(-60 * done);
      const leaves = 0.02 + 0.5 * far + 0.2 * b;
      return done < leaves ? rest : end + (rest - end) * Math.exp(-8 * (done - leaves));
    }
    case "divergent":
      return b > 0.7 && done > 0.3 * a ? Number.NaN : down(20 + 60 * a);
    default:
      return unreachable(name, "curve");
  }
}

/** How far a choice lies from a hidden optimum, 0 … 1, over the parameters that it has. */
function distanceFrom(space: Space, seed: number): (hyperparameters: Hyperparameters) => number {
  const axes = leavesOf(space)
    .filter(({ leaf }) => leaf.type !== "const")
    .map(({ path, leaf }) => {
      const random = keyed(seed, "optimum", pathKey(path));
      return { path, leaf, best: random.unit(), weight: 0.2 + random.unit() };
    });
  return (hyperparameters) => {
    let [sum, weights] = [0, 0];
    for (const { path, leaf, best, weight } of axes) {
      const value = path.reduce<Json | undefined>(
        (here, name) => (here as Hyperparameters | undefined)?.[name],
        hyperparameters,
      );
      if (value === undefined) continue;
      sum += weight * (positionOf(leaf, value) - best) ** 2;
      weights += weight;
    }
    return weights === 0 ? 0.5 : Math.sqrt(sum / weights);
  };
}

/** Where a value lies in its range, 0 … 1. */
function positionOf(leaf: Leaf, value: Json): number {
  const share = (x: number, min: number, max: number): number =>
    max > min ? (x - min) / (max - min) : 0.5;
  switch (leaf.type) {
    case "int":
    case "double":
      return share(value as number, leaf.min, leaf.max);
    case "log":
      return share(
        Math.log(value as number) / Math.log(leaf.base),
        leaf.minExponent,
        leaf.maxExponent,
      );
    case "categorical": {
      const place = leaf.values.findIndex((choice) => canonical(choice) === canonical(value));
      return leaf.values.length > 1 ? place / (leaf.values.length - 1) : 0.5;
    }
    default:
      return 0.5;
  }
}

/** A standard normal draw (Box and Muller 1958). */
export function gaussian(unit: () => number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - unit()));
  return radius * Math.cos(2 * Math.PI * unit());
}
