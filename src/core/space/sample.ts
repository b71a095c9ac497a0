/**
 * Random sampling of a space: trial n's choice is a function of (seed, n) and of nothing else.
 *
 * Every parameter draws from its own key (seed, trial number, path), so nested spaces repeat
 * exactly, the order of asking does not matter, and adding a parameter leaves the values of the
 * others where they were. Parameters are drawn uniformly and independently, as in Bergstra and
 * Bengio, "Random Search for Hyper-Parameter Optimization" (2012), section 2.
 *
 * Alternative refused: one generator that is advanced from parameter to parameter. A neighbour that
 * does so cannot repeat its own nested samples, since its maps have no order.
 */
import { assert, unreachable } from "../../base/assert.ts";
import type { Json } from "../../base/json.ts";
import { keyed } from "../../base/random.ts";
import type { Hyperparameters, Space } from "./space.ts";
import { assemble, type Leaf, type Path, pathKey } from "./tree.ts";

/**
 * One choice of hyperparameters.
 * @param seed the experiment's seed, 0 … 2^32-1
 * @param trialNumber 1, 2, …
 * @returns a plain tree in which inactive parameters are absent; int includes both ends, double is
 * in [min, max), log is base ^ [minExponent, maxExponent), categorical is uniform over its list
 * @throws AssertionFailed for a space the configuration should have refused: an empty list, a
 * circle of conditions, min above max
 */
export function sample(space: Space, seed: number, trialNumber: number): Hyperparameters {
  return assemble(space, (leaf, path) => draw(leaf, path, seed, trialNumber));
}

/** The seed that training code is given: 0 … 2^31-1, a function of (seed, trial number). */
export function trialSeed(seed: number, trialNumber: number): number {
  return keyed(seed, "trial seed", trialNumber).below(2 ** 31);
}

function draw(leaf: Leaf, path: Path, seed: number, trialNumber: number): Json {
  if (leaf.type === "const") return leaf.value;
  const random = keyed(seed, "hyperparameters", trialNumber, pathKey(path));
  const where = path.join(".");
  switch (leaf.type) {
    case "int":
      assert(leaf.min <= leaf.max, `${where}: int from ${leaf.min} to ${leaf.max} is empty`);
      return Math.min(leaf.min + random.below(leaf.max - leaf.min + 1), leaf.max);
    case "double":
      return between(leaf.min, leaf.max, random.unit());
    case "log":
      return leaf.base ** between(leaf.minExponent, leaf.maxExponent, random.unit());
    case "categorical": {
      assert(leaf.values.length > 0, `${where}: categorical with an empty list`);
      return leaf.values[random.below(leaf.values.length)] as Json;
    }
    default:
      return unreachable(leaf, where);
  }
}

/**
 * min + unit · (max − min) in [min, max). Weighting both ends cannot overflow where max − min would;
 * rounding may still touch an end, which the last lines take back.
 */
function between(min: number, max: number, unit: number): number {
  assert(min <= max, `range from ${min} to ${max} is empty`);
  if (min === max) return min;
  const value = min * (1 - unit) + max * unit;
  if (value < min) return min;
  return value < max ? value : nextBelow(max);
}

/** The largest double below a finite `value`. */
function nextBelow(value: number): number {
  if (value === 0) return -Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? -1n : 1n));
  return view.getFloat64(0);
}
