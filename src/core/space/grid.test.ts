import assert from "node:assert/strict";
import { test } from "node:test";
import { gridOf, isSinglePoint } from "./grid.ts";
import type { Parameter, Space } from "./space.ts";
import { mixedSpace, named, spaceOf } from "./space-fixtures.test.ts";

const all = (space: Space) => {
  const grid = gridOf(space);
  return Array.from({ length: grid.size }, (_, i) => grid.at(i));
};
const axis = (parameter: Parameter) => all(spaceOf({ x: parameter })).map((point) => point.x);

test("the points of one axis", () => {
  const cases: [Parameter, unknown[]][] = [
    [{ type: "int", min: 0, max: 10, count: 1 }, [5]],
    [{ type: "int", min: -3, max: -2, count: 1 }, [-3]],
    [{ type: "int", min: 2, max: 3, count: 1 }, [3]],
    [{ type: "int", min: 0, max: 5, count: 3 }, [0, 3, 5]],
    [{ type: "int", min: -5, max: 0, count: 3 }, [-5, -3, 0]],
    [{ type: "int", min: 1, max: 3, count: 99 }, [1, 2, 3]],
    [{ type: "double", min: 0, max: 1, count: 1 }, [0.5]],
    [{ type: "double", min: 0, max: 1, count: 3 }, [0, 0.5, 1]],
    [{ type: "log", base: 10, minExponent: -2, maxExponent: 0, count: 3 }, [0.01, 0.1, 1]],
    [{ type: "log", base: 10, minExponent: -2, maxExponent: 0, count: 1 }, [0.1]],
    [{ type: "log", base: 1, minExponent: -2, maxExponent: 0, count: 5 }, [1]],
    [{ type: "categorical", values: ["b", "a", "b"] }, ["b", "a"]],
    [{ type: "const", value: null }, [null]],
  ];
  for (const [parameter, expected] of cases) assert.deepEqual(axis(parameter), expected);
});

test("the first axis in byte order is the slowest, and the first point comes first", () => {
  const space = spaceOf({
    b: { type: "categorical", values: [1, 2] },
    a: { type: "categorical", values: ["x", "y"] },
  });
  assert.deepEqual(all(space), [
    { a: "x", b: 1 },
    { a: "x", b: 2 },
    { a: "y", b: 1 },
    { a: "y", b: 2 },
  ]);
});

test("a space without parameters is one point, and so is an empty group", () => {
  assert.deepEqual(all(spaceOf({})), [{}]);
  assert.deepEqual(all(spaceOf({ g: { type: "nested", children: [] } })), [{ g: {} }]);
});

test("a conditional axis multiplies only the points that have it", () => {
  const space = spaceOf({
    optimizer: { type: "categorical", values: ["adam", "sgd"] },
    momentum: {
      type: "double",
      min: 0,
      max: 1,
      count: 3,
      when: { path: ["optimizer"], values: ["sgd"] },
    },
  });
  assert.deepEqual(all(space), [
    { optimizer: "adam" },
    { momentum: 0, optimizer: "sgd" },
    { momentum: 0.5, optimizer: "sgd" },
    { momentum: 1, optimizer: "sgd" },
  ]);
});

test("a grid of 10^9 and one of 10^30 are counted and read at once", () => {
  const ten: Parameter = { type: "int", min: 1, max: 10, count: 10 };
  const names = "abcdefghijklmnopqrstuvwxyzABCD".split("");
  const big = gridOf(spaceOf(Object.fromEntries(names.slice(0, 9).map((name) => [name, ten]))));
  assert.equal(big.size, 1e9);
  assert.deepEqual(big.at(999_999_999).a, 10);
  const huge = gridOf(spaceOf(Object.fromEntries(names.map((name) => [name, ten]))));
  assert.ok(Math.abs(huge.size / 1e30 - 1) < 1e-9);
});

test("many pairs of parent and conditional child stay countable", () => {
  const parameters: { [name: string]: Parameter } = {};
  for (let i = 0; i < 25; i++) {
    parameters[`a${i}`] = { type: "categorical", values: ["on", "off"] };
    parameters[`z${i}`] = {
      type: "categorical",
      values: [1, 2],
      when: { path: [`a${i}`], values: ["on"] },
    };
  }
  assert.equal(gridOf(spaceOf(parameters)).size, 3 ** 25);
});

test("an axis of 10^9 points is counted, also where others depend on it", () => {
  const x: Parameter = { type: "double", min: 0, max: 1, count: 1e9 };
  assert.equal(gridOf(spaceOf({ x })).size, 1e9);
  const asked = gridOf(
    spaceOf({ x, y: { type: "const", value: 1, when: { path: ["x"], values: [0] } } }),
  );
  assert.equal(asked.size, 1e9);
  assert.throws(() => asked.at(0), /too many points/);
});

test("a missing count and an index outside are a programmer's mistake", () => {
  assert.throws(() => gridOf(spaceOf({ x: { type: "int", min: 1, max: 2 } })), /needs a count/);
  assert.throws(() => gridOf(spaceOf({})).at(1), /no point 1 of 1/);
});

test("a space with one choice is told from one with several", () => {
  assert.equal(isSinglePoint(spaceOf({})), true);
  assert.equal(isSinglePoint(spaceOf({ a: { type: "const", value: [1, 2] } })), true);
  assert.equal(isSinglePoint(spaceOf({ a: { type: "categorical", values: ["x", "x"] } })), true);
  assert.equal(isSinglePoint(spaceOf({ a: { type: "double", min: 0, max: 1 } })), false);
  const never = { path: ["a"], values: ["no"] };
  const hidden = spaceOf({
    a: { type: "const", value: "yes" },
    b: { type: "double", min: 0, max: 1, when: never },
  });
  assert.equal(isSinglePoint(hidden), true);
  assert.equal(isSinglePoint(mixedSpace), false);
});

test("whether there is one choice is not asked by counting them all: forty switches, each with a value behind it", () => {
  const numbers = Array.from({ length: 40 }, (_, i) => String(i).padStart(2, "0"));
  const value = (n: string): Parameter => ({
    ...{ type: "double", min: 0, max: 1, when: { path: [`use${n}`], values: [true] } },
  });
  const switches = (values: boolean[]): { [name: string]: Parameter } =>
    Object.fromEntries(numbers.map((n) => [`use${n}`, { type: "categorical", values }]));
  const space = (values: boolean[]): Space =>
    spaceOf({
      ...switches(values),
      strength: {
        type: "nested",
        children: named(Object.fromEntries(numbers.map((n) => [`p${n}`, value(n)]))),
        when: { path: ["with"], values: [true] },
      },
      with: { type: "categorical", values: [false, ...values.slice(1)] },
    });
  assert.equal(isSinglePoint(space([true, false])), false);
  assert.equal(isSinglePoint(space([false])), true);
});
