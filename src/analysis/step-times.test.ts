import assert from "node:assert/strict";
import { test } from "node:test";
import { stepTimes } from "./step-times.ts";

const at = (step: number, ms: number, run = 1) => ({
  ...{ run, step },
  time: new Date(Date.UTC(2026, 0, 1) + ms).toISOString(),
});

test("a step lasts from the report before it to its own, and the first ones do not count", () => {
  const reports = [at(1, 5000), at(2, 7000), at(3, 8000), at(4, 9500)];
  assert.deepEqual(stepTimes(reports, 1), [2, 1, 1.5]);
  assert.deepEqual(stepTimes(reports.toReversed(), 2), [1, 1.5]);
  assert.deepEqual(stepTimes(reports, 4), []);
  assert.deepEqual(stepTimes([], 1), []);
});

test("several metrics of a step are one report, and only the last run counts", () => {
  const reports = [at(1, 0), at(2, 1000), at(2, 1400), at(3, 2000)];
  assert.deepEqual(stepTimes(reports, 1), [1, 1]);
  const restarted = [...reports, at(3, 9000, 2), at(4, 9250, 2), at(5, 9500, 2)];
  assert.deepEqual(stepTimes(restarted, 1), [0.25, 0.25]);
});

test("a program that reports every tenth step is measured too", () => {
  assert.deepEqual(stepTimes([at(10, 0), at(20, 5000), at(30, 9000)], 1), [0.5, 0.4]);
});
