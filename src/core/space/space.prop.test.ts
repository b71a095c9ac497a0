import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Json } from "../../base/json.ts";
import { gridOf, isSinglePoint } from "./grid.ts";
import { sample } from "./sample.ts";
import type { Condition, Hyperparameters, Parameter, Space } from "./space.ts";
import { spaces } from "./space-fixtures.test.ts";
import { canonical } from "./tree.ts";

const options = { seed: 20_260_101, numRuns: 400 };

/** Written apart from the code under test: what a valid point is, straight from the contract. */
function faults(space: Space, point: Hyperparameters): string[] {
  const at = (path: readonly string[]): Json | undefined => {
    let here: Json | undefined = point;
    for (const name of path) here = (here as Hyperparameters | undefined)?.[name];
    return here;
  };
  const holds = (when: Condition | undefined): boolean =>
    when === undefined ||
    when.values.some(
      (value) =>
        at(when.path) !== undefined && canonical(value) === canonical(at(when.path) as Json),
    );
  const found: string[] = [];
  const check = (parameter: Parameter, value: Json | undefined, path: string): void => {
    if (!holds(parameter.when)) {
      if (value !== undefined) found.push(`${path} is inactive and present`);
      return;
    }
    if (value === undefined) {
      found.push(`${path} is active and absent`);
    } else if (parameter.type === "nested") {
      const group = value as Hyperparameters;
      const names = parameter.children.map((child) => child.name);
      for (const name of Object.keys(group))
        if (!names.includes(name)) found.push(`${path}.${name} is unknown`);
      for (const child of parameter.children)
        check(child.parameter, group[child.name], `${path}.${child.name}`);
    } else if (!inRange(parameter, value))
      found.push(`${path}: ${canonical(value)} is out of range`);
  };
  check(space, point, "");
  return found;
}

function inRange(parameter: Parameter, value: Json): boolean {
  switch (parameter.type) {
    case "const":
      return canonical(value) === canonical(parameter.value);
    case "categorical":
      return parameter.values.some((choice) => canonical(choice) === canonical(value));
    case "int":
      return (
        Number.isInteger(value) &&
        (value as number) >= parameter.min &&
        (value as number) <= parameter.max
      );
    case "double":
      return (value as number) >= parameter.min && (value as number) <= parameter.max;
    case "log": {
      const [low, high] = [
        parameter.base ** parameter.minExponent,
        parameter.base ** parameter.maxExponent,
      ];
      return (value as number) >= low * (1 - 1e-12) && (value as number) <= high * (1 + 1e-12);
    }
    default:
      return false;
  }
}

/** Two points on every axis that has more than one. */
function twoEach(space: Space): Space {
  const two = (parameter: Parameter): Parameter => {
    switch (parameter.type) {
      case "nested":
        return {
          ...parameter,
          children: parameter.children.map(({ name, parameter: below }) => ({
            ...{ name, parameter: two(below) },
          })),
        };
      case "int":
      case "double":
      case "log":
        return { ...parameter, count: 2 };
      default:
        return parameter;
    }
  };
  return two(space) as Space;
}

test("a space has one choice exactly where its coarsest grid has one point", () => {
  fc.assert(
    fc.property(spaces, (space) => {
      assert.equal(isSinglePoint(space), gridOf(twoEach(space)).size === 1);
    }),
    options,
  );
});

test("no inactive parameter is ever sampled, no active one is missing, all are in range", () => {
  fc.assert(
    fc.property(spaces, fc.nat(), fc.integer({ min: 1, max: 9999 }), (space, seed, trial) => {
      assert.deepEqual(faults(space, sample(space, seed, trial)), []);
    }),
    options,
  );
});

test("a sample is a function of the seed and the trial's number, whatever was sampled before", () => {
  fc.assert(
    fc.property(spaces, fc.nat(), (space, seed) => {
      const forward = [1, 2, 3].map((trial) => sample(space, seed, trial));
      const backward = [3, 2, 1]
        .map((trial) => sample(structuredClone(space), seed, trial))
        .reverse();
      assert.deepEqual(forward, backward);
    }),
    options,
  );
});

test("a grid visits valid points only, each once, and all that sampling its options could give", () => {
  fc.assert(
    fc.property(spaces, (space) => {
      const grid = gridOf(space);
      const points = Array.from({ length: grid.size }, (_, i) => grid.at(i));
      for (const point of points) assert.deepEqual(faults(space, point), []);
      assert.equal(new Set(points.map(canonical)).size, points.length);
      assert.equal(points.length, bruteForceCount(space));
    }),
    options,
  );
});

/** Every combination of every leaf's options, through `sample`'s walk, counted by distinct text. */
function bruteForceCount(space: Space): number {
  const leaves: { path: string[]; values: Json[] }[] = [];
  const collect = (parameter: Parameter, path: string[]): void => {
    if (parameter.type === "nested") {
      for (const child of parameter.children) collect(child.parameter, [...path, child.name]);
    } else {
      const { when, ...bare } = parameter;
      const alone: Space = {
        type: "nested",
        children: [{ name: "x", parameter: bare as Parameter }],
      };
      const grid = gridOf(alone);
      leaves.push({
        path,
        values: Array.from({ length: grid.size }, (_, i) => grid.at(i).x as Json),
      });
    }
  };
  collect(space, []);
  const seen = new Set<string>();
  const fixed = new Map<string, Json>();
  const freeze = (parameter: Parameter, path: string[]): Parameter =>
    parameter.type === "nested"
      ? {
          ...parameter,
          children: parameter.children.map((child) => ({
            name: child.name,
            parameter: freeze(child.parameter, [...path, child.name]),
          })),
        }
      : {
          type: "const",
          value: fixed.get(path.join("/")) as Json,
          ...(parameter.when ? { when: parameter.when } : {}),
        };
  const choose = (i: number): void => {
    const leaf = leaves[i];
    if (leaf === undefined) {
      seen.add(canonical(sample(freeze(space, []) as Space, 1, 1)));
      return;
    }
    for (const value of leaf.values) {
      fixed.set(leaf.path.join("/"), value);
      choose(i + 1);
    }
  };
  choose(0);
  return seen.size;
}
