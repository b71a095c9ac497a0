/**
 * The grid of a space: every distinct point exactly once, found by its index, never materialised.
 *
 * An index is read like a number whose digits are the axes, the first axis slowest. Where a
 * parameter exists only for some values of another, the digits behind it differ in number: so at
 * each axis the points below every option are *counted* (with memory, a few steps) and the index
 * descends into the option that contains it. A conditional axis stands right behind the last
 * parameter it depends on, which keeps what has to be remembered small; all others stand in byte
 * order of their names, as users of existing configurations expect.
 *
 * Alternative refused: the full product with duplicates filtered out. It needs the product in memory
 * and a grid of 10^9 can then not even be counted, which is what refusing it needs.
 */
import { assert, unreachable } from "../../base/assert.ts";
import type { Json } from "../../base/json.ts";
import type { Condition, Hyperparameters, Parameter, Space } from "./space.ts";
import {
  assemble,
  canonical,
  chainTo,
  type Leaf,
  leavesOf,
  type Path,
  pathKey,
  sameJson,
} from "./tree.ts";

export interface Grid {
  /** Number of distinct points; >= 1, exact up to 2^53 and a close estimate above. */
  readonly size: number;
  /** @param index 0 … size-1 in the order described above @throws AssertionFailed outside of it */
  at(index: number): Hyperparameters;
}

/**
 * Beyond this many points an axis is no longer walked to find equal values or to follow conditions:
 * the size becomes an estimate, good enough to refuse the grid, and `at` refuses to read it.
 */
const WALKED_MAX = 100_000;

const known = new WeakMap<Space, Grid>();

/**
 * The grid of a space. Points per leaf: const 1; categorical its values in order; int
 * min(count, max-min+1) rounded half away from zero; double and log `count` with both ends; count 1
 * is the middle. Equal values on one axis are one point. A space without parameters has the one point {}.
 * @throws AssertionFailed where int, double or log has no count (the configuration refuses that)
 */
export function gridOf(space: Space): Grid {
  let grid = known.get(space);
  if (grid === undefined) {
    grid = buildGrid(space);
    known.set(space, grid);
  }
  return grid;
}

/**
 * True where every trial would get the same hyperparameters, so that there is nothing to search. One choice is made and
 * looked at rather than all counted: counting takes 2^n steps where n conditions ask about n parameters.
 */
export function isSinglePoint(space: Space): boolean {
  let single = true;
  assemble(space, (leaf, path) => {
    const options = oneOrMore(leaf, path);
    single &&= options.count === 1;
    return options.at(0);
  });
  return single;
}

interface Options {
  readonly count: number;
  at(index: number): Json;
}

interface Axis {
  readonly path: Path;
  readonly options: Options;
  /** All must hold for the axis to exist; each names an axis in front of this one. */
  readonly needs: readonly { readonly axis: number; readonly values: readonly Json[] }[];
}

function buildGrid(space: Space): Grid {
  const axes = orderAxes(space);
  const counter = countPoints(axes);
  const size = counter.behind(0, []);
  const at = (index: number): Hyperparameters => {
    const inside = Number.isInteger(index) && index >= 0 && index < size;
    assert(inside, `grid: no point ${index} of ${size}`);
    const chosen = digitsOf(index, axes, counter);
    const byPath = new Map(axes.map((axis, i) => [pathKey(axis.path), i]));
    return assemble(space, (_, path) => {
      const i = byPath.get(pathKey(path)) as number;
      return (axes[i] as Axis).options.at(chosen[i] as number);
    });
  };
  return { size, at };
}

/** `chosen` holds one option index per axis in front, -1 for one that does not exist. */
interface Counter {
  /** Does axis i exist under these choices? */
  exists(i: number, chosen: readonly number[]): boolean;
  /** Does the number of points behind axis i depend on its option? */
  splits(i: number): boolean;
  /** Distinct points that the axes from i on can still make. */
  behind(i: number, chosen: readonly number[]): number;
}

function countPoints(axes: readonly Axis[]): Counter {
  // relevant[i]: the axes in front of i that some axis at or behind i asks about.
  const relevant = axes.map((_, i) => {
    const asked = axes.slice(i).flatMap((axis) => axis.needs.map((need) => need.axis));
    return [...new Set(asked)].filter((axis) => axis < i);
  });
  const asked = new Set(axes.flatMap((axis) => axis.needs.map((need) => need.axis)));
  const counts = new Map<string, number>();
  const options = (i: number): Options => (axes[i] as Axis).options;
  const exists = (i: number, chosen: readonly number[]): boolean =>
    (axes[i] as Axis).needs.every(({ axis, values }) => {
      const option = chosen[axis] as number;
      return option >= 0 && values.some((value) => sameJson(value, options(axis).at(option)));
    });
  const splits = (i: number): boolean => asked.has(i) && options(i).count <= WALKED_MAX;
  const behind = (i: number, chosen: readonly number[]): number => {
    if (i === axes.length) return 1;
    const key = `${i}:${(relevant[i] as number[]).map((axis) => chosen[axis]).join(",")}`;
    const counted = counts.get(key);
    if (counted !== undefined) return counted;
    let total = 0;
    if (!exists(i, chosen)) total = behind(i + 1, [...chosen, -1]);
    else if (!splits(i)) total = options(i).count * behind(i + 1, [...chosen, 0]);
    else for (let o = 0; o < options(i).count; o++) total += behind(i + 1, [...chosen, o]);
    counts.set(key, total);
    return total;
  };
  return { exists, splits, behind };
}

/** The option of every axis at point `index`; -1 where the point has no such axis. */
function digitsOf(index: number, axes: readonly Axis[], counter: Counter): number[] {
  const long = axes.find((axis, i) =>
    axes.some((other) =>
      other.needs.some((need) => need.axis === i && axis.options.count > WALKED_MAX),
    ),
  );
  assert(long === undefined, `grid: ${long?.path.join(".")} has too many points to depend on`);
  const chosen: number[] = [];
  let rest = index;
  for (let i = 0; i < axes.length; i++) {
    let option = counter.exists(i, chosen) ? 0 : -1;
    if (option === 0 && !counter.splits(i)) {
      const each = counter.behind(i + 1, [...chosen, 0]);
      option = Math.floor(rest / each);
      rest -= option * each;
    } else if (option === 0) {
      for (;;) {
        const below = counter.behind(i + 1, [...chosen, option]);
        if (rest < below) break;
        rest -= below;
        option++;
      }
    }
    chosen.push(option);
  }
  return chosen;
}

/** Axes in byte order of names, each conditional one moved behind the last axis it depends on. */
function orderAxes(space: Space): Axis[] {
  const leaves = leavesOf(space).map(({ path, leaf }) => ({
    path,
    leaf,
    needs: needsOf(space, path),
  }));
  const placeOf = new Map<string, number>();
  const ordered: Axis[] = [];
  const waiting = new Set(leaves);
  const ready = (item: (typeof leaves)[number]): boolean =>
    item.needs.every((need) => placeOf.has(pathKey(need.path)));
  const place = (item: (typeof leaves)[number]): void => {
    waiting.delete(item);
    placeOf.set(pathKey(item.path), ordered.length);
    ordered.push({
      path: item.path,
      options: gridOptions(item.leaf, item.path),
      needs: item.needs.map((need) => ({
        axis: placeOf.get(pathKey(need.path)) as number,
        values: need.values,
      })),
    });
    const key = pathKey(item.path);
    for (const next of [...waiting]) {
      const follows = next.needs.some((need) => pathKey(need.path) === key);
      if (follows && waiting.has(next) && ready(next)) place(next);
    }
  };
  for (const item of leaves) if (waiting.has(item) && item.needs.length === 0) place(item);
  const left = [...waiting].map((item) => item.path.join(".")).join(", ");
  assert(waiting.size === 0, `space: conditions form a circle: ${left}`);
  return ordered;
}

/** The conditions on a parameter and on everything above it. */
function needsOf(space: Space, path: Path): Condition[] {
  const needs: Condition[] = [];
  for (const { when } of chainTo(space, path)) {
    if (when === undefined) continue;
    const asked = chainTo(space, when.path).at(-1) as Parameter;
    assert(asked.type !== "nested", `grid: the condition on ${path.join(".")} asks about a group`);
    needs.push(when);
  }
  return needs;
}

/** The points of one leaf on a grid. */
function gridOptions(leaf: Leaf, path: Path): Options {
  const count = (): number => {
    const declared = "count" in leaf ? leaf.count : undefined;
    assert(declared !== undefined && declared >= 1, `grid: ${path.join(".")} needs a count >= 1`);
    return declared;
  };
  switch (leaf.type) {
    case "const":
      return listed([leaf.value]);
    case "categorical":
      assert(leaf.values.length > 0, `${path.join(".")}: categorical with an empty list`);
      return listed(leaf.values);
    case "int": {
      const n = Math.min(count(), leaf.max - leaf.min + 1);
      return spaced(n, leaf.min, leaf.max, roundHalfAway);
    }
    case "double":
      return spaced(count(), leaf.min, leaf.max, (value) => value);
    case "log":
      return spaced(count(), leaf.minExponent, leaf.maxExponent, (value) => leaf.base ** value);
    default:
      return unreachable(leaf, path.join("."));
  }
}

/** What a leaf can take at all, cut at two: enough to tell one choice from several. */
function oneOrMore(leaf: Leaf, path: Path): Options {
  switch (leaf.type) {
    case "const":
    case "categorical":
      return gridOptions(leaf, path);
    case "int":
    case "double":
      return listed([leaf.min, leaf.max]);
    case "log":
      return listed([leaf.base ** leaf.minExponent, leaf.base ** leaf.maxExponent]);
    default:
      return unreachable(leaf, path.join("."));
  }
}

function listed(values: readonly Json[]): Options {
  const distinct = [...new Map(values.map((value) => [canonical(value), value])).values()];
  return { count: distinct.length, at: (i) => distinct[i] as Json };
}

function spaced(n: number, min: number, max: number, shape: (value: number) => number): Options {
  const at = (i: number): number => {
    if (n === 1) return shape(min / 2 + max / 2);
    // The last point is the end itself, whatever the rounding of the division says.
    return shape(i === n - 1 ? max : min + (i * (max - min)) / (n - 1));
  };
  if (n > WALKED_MAX) return { count: n, at };
  return listed(Array.from({ length: n }, (_, i) => at(i)));
}

/** -2.5 becomes -3 and 2.5 becomes 3; Math.round would make -2 of the first. */
function roundHalfAway(value: number): number {
  const rounded = Math.sign(value) * Math.round(Math.abs(value));
  return rounded === 0 ? 0 : rounded;
}
