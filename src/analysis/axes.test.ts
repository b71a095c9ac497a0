import assert from "node:assert/strict";
import { test } from "node:test";
import { axesOf, placeOf, rawOf, valueAt } from "./axes.ts";

const SPACE = {
  constant: 3,
  fixed: { type: "const", val: 1 },
  rate: { type: "log", base: 10, minval: -4, maxval: -2 },
  layers: { type: "int", minval: 1, maxval: 5 },
  kind: { type: "categorical", vals: ["adam", true, null, [1, 2]] },
  lonely: { type: "categorical", vals: ["one"] },
  net: {
    type: "nested",
    when: { kind: "adam" },
    params: { width: { type: "double", minval: -1, maxval: 1 } },
  },
  group: { when: { type: "int", minval: 1, maxval: 2 } },
};

test("what varies is an axis, by name; constants and single choices are none", () => {
  const axes = axesOf(SPACE);
  assert.deepEqual(
    axes.map(({ name, kind, isConditional }) => [name, kind, isConditional]),
    [
      ["group.when", "linear", false],
      ["kind", "category", false],
      ["layers", "linear", false],
      ["net.width", "linear", true],
      ["rate", "log", false],
    ],
  );
  assert.deepEqual(axesOf(undefined), []);
});

test("places are on the scale of the space, and there is none where the parameter does not exist", () => {
  const [, kind, layers, width, rate] = axesOf(SPACE);
  assert.ok(kind && layers && width && rate);
  const trial = { kind: true, layers: 2, rate: 0.001 };
  assert.equal(placeOf(kind, trial), 1.5 / 4);
  assert.equal(placeOf(layers, trial), 0.25);
  assert.ok(Math.abs((placeOf(rate, trial) ?? 0) - 0.5) < 1e-12);
  assert.equal(placeOf(width, trial), undefined);
  assert.equal(placeOf(width, { net: { width: 0.5 } }), 0.75);
  assert.equal(placeOf(width, { net: 3 }), undefined);
  assert.equal(placeOf(kind, { kind: "none of ours" }), undefined);
  assert.equal(rawOf(width, { net: { width: 0.5 } }), 0.5);
});

test("a place gives its value back", () => {
  const [, kind, layers, , rate] = axesOf(SPACE);
  assert.ok(kind && layers && rate);
  assert.equal(valueAt(kind, 1), "[1,2]");
  assert.equal(valueAt(kind, 0), "adam");
  assert.equal(valueAt(layers, 0.5), 3);
  assert.ok(Math.abs((valueAt(rate, 0.5) as number) - 0.001) < 1e-12);
});
