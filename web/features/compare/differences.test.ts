import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { differences, trialsOf } from "./differences.ts";

test("only paths that differ, in order, with undefined where there is none", () => {
  const { rows, same } = differences([
    { lr: 0.1, optimizer: { name: "sgd", momentum: 0.9 }, layers: [1, 2] },
    { lr: 0.1, optimizer: { name: "adam" }, layers: [1, 3] },
  ]);
  assert.equal(same, 2);
  assert.deepEqual(rows, [
    { path: "layers[1]", values: [2, 3] },
    { path: "optimizer.momentum", values: [0.9, undefined] },
    { path: "optimizer.name", values: ["sgd", "adam"] },
  ]);
});

test("a thing differs from itself in nothing, and an empty one from nothing", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (thing) => {
      const json = JSON.parse(JSON.stringify(thing));
      assert.deepEqual(differences([json, json, json]).rows, []);
    }),
    { seed: 20261123 },
  );
  assert.deepEqual(differences([{}, {}]), { rows: [], same: 0 });
  assert.deepEqual(differences([{}, { a: 1 }]).rows, [{ path: "a", values: [undefined, 1] }]);
});

test("the trials in an address, once each, and what is none", () => {
  assert.deepEqual(trialsOf("1.3,1.9 2.4,1.3,x,<b>,1"), {
    trials: ["1.3", "1.9", "2.4"],
    strange: ["x", "<b>", "1"],
  });
  assert.deepEqual(trialsOf(undefined), { trials: [], strange: [] });
});
