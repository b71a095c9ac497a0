import assert from "node:assert/strict";
import { test } from "node:test";
import { rampColour, standings } from "./ramp.ts";

test("the best has one end of the ramp and NaN the other", () => {
  assert.deepEqual(standings([0.5, Number.NaN, 0.1], true), [0.5, 0, 1]);
  assert.deepEqual(standings([0.5, 0.7, 0.1], false), [0.5, 1, 0]);
  assert.deepEqual(standings([1], true), [1]);
  assert.equal(rampColour(1, "light"), "rgb(6 38 77)");
  assert.equal(rampColour(-3, "light"), "rgb(217 211 195)");
});
