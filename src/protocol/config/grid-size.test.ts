import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../../base/json.ts";
import { toSpace } from "./config.ts";
import { GRID_POINTS_MAX, gridSize } from "./grid-size.ts";

const sizeOf = (hyperparameters: JsonObject) => gridSize(toSpace(hyperparameters));
const range = (count: number, when?: JsonObject): JsonObject => ({
  type: "double",
  minval: 0,
  maxval: 1,
  count,
  ...(when ? { when } : {}),
});
const kinds = (...vals: string[]): JsonObject => ({ type: "categorical", vals });

describe("the size of a grid", () => {
  const cases: readonly (readonly [string, JsonObject, number])[] = [
    ["constants are one point", { a: 1, b: [1, 2], c: { d: null } }, 1],
    ["axes multiply", { a: range(3), b: kinds("x", "y"), c: { d: range(5) } }, 30],
    [
      "an int has no more points than numbers",
      { a: { type: "int", minval: 1, maxval: 3, count: 9 } },
      3,
    ],
    [
      "equal choices are one point",
      { a: { type: "categorical", vals: [{ x: 1 }, { x: 1 }, 2] } },
      2,
    ],
    [
      "powers of one are one point",
      { a: { type: "log", base: 1, minval: 0, maxval: 3, count: 5 } },
      1,
    ],
    ["a condition adds", { k: kinds("x", "y"), a: range(5, { k: "x" }) }, 6],
    [
      "a condition on several values",
      { k: kinds("x", "y", "z"), a: range(5, { k: ["x", "z"] }) },
      11,
    ],
    ["two branches", { k: kinds("x", "y"), a: range(5, { k: "x" }), b: range(7, { k: "y" }) }, 12],
    [
      "a chain",
      { k: kinds("x", "y"), l: { ...kinds("p", "q"), when: { k: "x" } }, a: range(5, { l: "p" }) },
      7,
    ],
    [
      "a chain against the order of names",
      { z: kinds("x", "y"), y: { ...kinds("p", "q"), when: { z: "x" } }, a: range(5, { y: "p" }) },
      7,
    ],
    [
      "a group with a condition",
      {
        k: kinds("x", "y"),
        g: { type: "nested", when: { k: "x" }, params: { a: range(2), b: range(3) } },
      },
      7,
    ],
    [
      "a condition inside such a group",
      {
        k: kinds("x", "y"),
        g: {
          type: "nested",
          when: { k: "x" },
          params: { l: kinds("p", "q"), b: range(3, { "g.l": "q" }) },
        },
      },
      5,
    ],
    [
      "a condition on an int, whose grid may miss it",
      {
        n: { type: "int", minval: 1, maxval: 9, count: 3 },
        a: range(4, { n: 5 }),
        b: range(4, { n: 2 }),
      },
      6,
    ],
    [
      "a condition on a constant",
      { n: { type: "const", val: { deep: [1] } }, a: range(4, { n: [{ deep: [1] }] }) },
      4,
    ],
  ];
  for (const [name, space, points] of cases) {
    it(name, () => assert.deepEqual(sizeOf(space), { points, exact: true }));
  }

  it("stops counting where it is too large already", () => {
    const axes = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`k${i}`, kinds("x", "y")]),
    );
    const asked = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`a${i}`, range(2, { [`k${i}`]: "x" })]),
    );
    const size = sizeOf({ ...axes, ...asked });
    assert.equal(size.exact, false);
    assert.ok(size.points > GRID_POINTS_MAX);
  });

  it("gives up where conditions are too many to count", () => {
    const axes = Object.fromEntries(
      Array.from({ length: 14 }, (_, i) => [`k${i}`, kinds("x", "y")]),
    );
    const asked = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [
        `a${i}`,
        { type: "const", val: 1, when: { [`k${i % 14}`]: "x" } },
      ]),
    );
    assert.equal(sizeOf({ ...axes, ...asked }).exact, false);
  });
});
