import assert from "node:assert/strict";
import { test } from "node:test";
import { allDifferences, firstDifference } from "./difference.ts";

test("what JSON takes for the same is the same", () => {
  const same: readonly [unknown, unknown][] = [
    [
      { a: 1, b: [1, null] },
      { b: [1, null], a: 1 },
    ],
    [{ a: undefined }, {}],
    [Number.NaN, Number.NaN],
    [-0, 0],
    [[], []],
  ];
  for (const [a, b] of same) assert.equal(firstDifference(a, b), undefined);
});

test("the first place that differs is named, with both values", () => {
  const cases: readonly [unknown, unknown, string, unknown, unknown][] = [
    [{ a: [1, { b: 2 }] }, { a: [1, { b: 3 }] }, ".a[1].b", 2, 3],
    [{ a: 1 }, {}, ".a", 1, undefined],
    [{}, { a: null }, ".a", undefined, null],
    [[1], [1, 2], "[1]", undefined, 2],
    [[], {}, "", [], {}],
    [Number.NaN, null, "", Number.NaN, null],
    [{ a: {} }, { a: "x" }, ".a", {}, "x"],
    [{ toString: 1 }, {}, ".toString", 1, undefined],
  ];
  for (const [a, b, path, left, right] of cases)
    assert.deepEqual(firstDifference(a, b), { path, left, right });
});

test("all places that differ are named, each with its way and both values", () => {
  const left = { a: 1, b: { "c.d": [1, 2] }, e: null, f: { g: 1 } };
  const right = { f: { g: 1 }, e: { x: 1 }, b: { "c.d": [1, 3, 4] } };
  assert.deepEqual(allDifferences(left, right), [
    { parts: ["a"], left: 1, right: undefined },
    { parts: ["b", "c.d", 1], left: 2, right: 3 },
    { parts: ["b", "c.d", 2], left: undefined, right: 4 },
    { parts: ["e"], left: null, right: { x: 1 } },
  ]);
  assert.deepEqual(allDifferences({ a: -0, b: [] }, { b: [], a: 0 }), []);
});
