/**
 * How many trials a grid is, and the rules that only grids have.
 *
 * Without conditions the size is a product. With them it is a sum: for every combination of the
 * parameters that conditions ask about, the product over the others that exist then. Counting by that
 * sum is exact, and it can stop early, because every such combination is at least one trial.
 */
import type { Json } from "../../base/json.ts";
import { keyOf, type PlacedParameter } from "./conditions.ts";
import { type Fault, renderPath } from "./issue.ts";
import { canonical, type ParameterSpace, type SpaceParameter } from "./space.ts";

export const GRID_POINTS_MAX = 100_000;
/** Conditions looked at while counting; a tenth of a second or so. */
const WORK_MAX = 1_000_000;

/** @param sound whether the space has no faults, so that its size means something */
export function gridFaults(
  space: ParameterSpace,
  placed: readonly PlacedParameter[],
  sound: boolean,
): Fault[] {
  const faults: Fault[] = [];
  for (const { parameter, filePath } of placed) {
    if (parameter && wantsCount(parameter)) {
      faults.push({
        code: "grid_without_count",
        path: filePath,
        at: "key",
        limit: "count: how many points of the range to try",
        suggestion: "count: 5",
        message: `${renderPath(filePath)} has no count; the grid searcher needs one on every int, double and log parameter. Try count: 5.`,
      });
    }
  }
  if (!sound || faults.length > 0) return faults;
  if (space.children.length === 0) {
    return [
      {
        code: "empty_space",
        path: ["hyperparameters"],
        message:
          ".hyperparameters is empty; a grid of nothing has no trial. Add hyperparameters, or use the searcher single.",
      },
    ];
  }
  const size = gridSize(space);
  const most = GRID_POINTS_MAX.toLocaleString("en-US");
  if (size.exact && size.points <= GRID_POINTS_MAX) return [];
  const points = `${size.exact ? "" : "at least "}${size.points.toLocaleString("en-US")}`;
  const message =
    size.points > GRID_POINTS_MAX
      ? `.hyperparameters spans a grid of ${points} points; it must be at most ${most}. Lower the counts, or use random or asha with max_trials.`
      : `.hyperparameters has too many conditions on too many values for its grid to be counted (${points} points so far; at most ${most}). Use random or asha with max_trials.`;
  return [
    {
      code: "grid_too_large",
      path: ["hyperparameters"],
      at: "key",
      value: size.points,
      limit: `at most ${most} points`,
      message,
    },
  ];
}

const wantsCount = (parameter: SpaceParameter): boolean =>
  (parameter.type === "int" || parameter.type === "double" || parameter.type === "log") &&
  parameter.count === undefined;

interface Leaf {
  readonly key: string;
  readonly points: number;
  readonly parameter: SpaceParameter;
  /** All conditions that must hold: its own and those of the groups around it. */
  readonly conditions: readonly { readonly key: string; readonly values: ReadonlySet<string> }[];
}

/** @returns the number of different trials; a lower bound when not exact */
export function gridSize(space: ParameterSpace): { points: number; exact: boolean } {
  const leaves = leavesOf(space);
  const asked = new Set(
    leaves.flatMap((leaf) => leaf.conditions.map((condition) => condition.key)),
  );
  const product = (these: readonly Leaf[]): number =>
    these.reduce((points, leaf) => points * leaf.points, 1);
  const free = product(
    leaves.filter((leaf) => leaf.conditions.length === 0 && !asked.has(leaf.key)),
  );
  const targets = inOrderOfNeed(leaves.filter((leaf) => asked.has(leaf.key)));
  const bound = leaves.filter((leaf) => leaf.conditions.length > 0 && !asked.has(leaf.key));
  if (free > GRID_POINTS_MAX)
    return { points: free, exact: targets.length === 0 && bound.length === 0 };
  let points = 0;
  let work = 0;
  const chosen = new Map<string, string>();
  const active = (leaf: Leaf): boolean =>
    leaf.conditions.every(({ key, values }) => values.has(chosen.get(key) ?? ""));
  const count = (index: number): boolean => {
    const target = targets[index];
    if (target === undefined) {
      points += free * product(bound.filter(active));
      work += 1 + bound.length;
      return points <= GRID_POINTS_MAX && work <= WORK_MAX;
    }
    if (!active(target)) return count(index + 1);
    for (const value of choices(target.parameter)) {
      chosen.set(target.key, canonical(value));
      const goOn = count(index + 1);
      chosen.delete(target.key);
      if (!goOn) return false;
    }
    return true;
  };
  const exact = count(0);
  return { points, exact };
}

function leavesOf(space: ParameterSpace): Leaf[] {
  const leaves: Leaf[] = [];
  const walk = (
    parameter: SpaceParameter,
    names: readonly string[],
    above: Leaf["conditions"],
  ): void => {
    const own = parameter.when;
    const conditions = own
      ? [...above, { key: keyOf(own.path), values: new Set(own.values.map(canonical)) }]
      : above;
    if (parameter.type !== "nested") {
      leaves.push({ key: keyOf(names), points: pointsOf(parameter), parameter, conditions });
      return;
    }
    for (const child of parameter.children)
      walk(child.parameter, [...names, child.name], conditions);
  };
  walk(space, [], []);
  return leaves;
}

function pointsOf(parameter: SpaceParameter): number {
  switch (parameter.type) {
    case "const":
    case "nested":
      return 1;
    case "categorical":
      return distinct(parameter.values).length;
    case "int":
      return Math.min(parameter.count ?? 1, parameter.max - parameter.min + 1);
    case "double":
      return parameter.count ?? 1;
    case "log":
      return parameter.base === 1 ? 1 : (parameter.count ?? 1);
  }
}

/** A grid tries a value that is listed twice once. */
const distinct = (values: readonly Json[]): Json[] => [
  ...new Map(values.map((value) => [canonical(value), value])).values(),
];

/** The values a condition can ask about; a condition never asks about double and log. */
function choices(parameter: SpaceParameter): Iterable<Json> {
  if (parameter.type === "const") return [parameter.value];
  if (parameter.type === "categorical") return distinct(parameter.values);
  return parameter.type === "int" ? intPoints(parameter) : [];
}

/** Evenly spaced with both ends, halves rounded away from zero; one point is the middle. */
function* intPoints(parameter: SpaceParameter & { type: "int" }): Iterable<number> {
  const { min, max } = parameter;
  const points = pointsOf(parameter);
  for (let i = 0; i < points; i++) {
    const at = points === 1 ? (min + max) / 2 : min + (i * (max - min)) / (points - 1);
    yield Math.sign(at) * Math.floor(Math.abs(at) + 0.5);
  }
}

/** Targets whose own conditions ask about other targets come after those. */
function inOrderOfNeed(targets: readonly Leaf[]): Leaf[] {
  const left = new Map(targets.map((target) => [target.key, target]));
  const ordered: Leaf[] = [];
  while (left.size > 0) {
    const before = left.size;
    for (const [key, target] of left) {
      if (target.conditions.some((condition) => left.has(condition.key))) continue;
      ordered.push(target);
      left.delete(key);
    }
    if (left.size === before) return [...ordered, ...left.values()];
  }
  return ordered;
}
