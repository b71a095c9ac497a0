import assert from "node:assert/strict";
import { test } from "node:test";
import { linearScale, logScale, roundStep, scaleOf, timeScale } from "./scale.ts";

test("figures beside an axis are round and within it", () => {
  assert.deepEqual(linearScale(0, 1).ticks, [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(linearScale(-3, 17, 4).ticks, [0, 5, 10, 15]);
  assert.deepEqual(logScale(1e-4, 1).ticks, [1e-4, 1e-3, 1e-2, 0.1, 1]);
  assert.deepEqual(logScale(0.2, 0.6).ticks, [0.2, 0.5]);
  assert.deepEqual(logScale(0.01, 0.5).ticks, [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]);
  assert.equal(roundStep(0.3), 0.5);
});

test("what is not finite does not stretch the axis, and one value stands in its middle", () => {
  const scale = scaleOf([Number.NaN, 2, Number.POSITIVE_INFINITY, 4]);
  assert.deepEqual([scale?.low, scale?.high, scale?.share(3)], [2, 4, 0.5]);
  assert.equal(scaleOf([7])?.share(7), 0.5);
  assert.equal(scaleOf([0])?.share(0), 0.5);
  assert.equal(scaleOf([Number.NaN]), undefined);
  const log = scaleOf([0, -1, 1, 100], { isLog: true });
  assert.deepEqual([log?.low, log?.share(10)], [1, 0.5]);
  assert.equal(scaleOf([3], { isLog: true })?.share(3), 0.5);
  assert.equal(scaleOf([1, 2], { include: 9 })?.high, 9);
});

test("times are written at minutes, hours and days, not at fifty seconds", () => {
  assert.deepEqual(timeScale(0, 150, 7).ticks, [0, 30, 60, 90, 120, 150]);
  assert.deepEqual(timeScale(0, 19, 8).ticks, [0, 5, 10, 15]);
  assert.deepEqual(timeScale(0, 9000, 5).ticks, [0, 1800, 3600, 5400, 7200, 9000]);
  assert.deepEqual(timeScale(0, 20 * 86_400, 4).ticks.at(1), 5 * 86_400);
});
