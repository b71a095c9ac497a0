import assert from "node:assert/strict";
import { test } from "node:test";
import { around, curvesAsked, readSteps } from "./curve-view.ts";

test("few curves come with a point for every other pixel, a thousand with a hundred each", () => {
  const table = [
    [0, 500],
    [1, 500],
    [200, 500],
    [201, 250],
    [400, 250],
    [401, 100],
    [1_000, 100],
    [50_000, 100],
  ] as const;
  for (const [trials, points] of table) {
    const asked = curvesAsked(trials);
    assert.equal(asked.points, points, String(trials));
    assert.ok(asked.limit >= Math.min(trials, 1_000) && asked.points * asked.limit <= 400_000);
  }
});

test("of a stretch a little more is asked for than is shown", () => {
  assert.deepEqual(around([100, 200]), [95, 205]);
  assert.deepEqual(around([0, 2]), [0, 3]);
});

test("a stretch of steps comes out of an address, and nonsense is all of them", () => {
  assert.deepEqual(readSteps("10-50"), [10, 50]);
  for (const nonsense of [undefined, "", "5", "50-10", "7-7", "-3-4", "1e3-2e3", "a-b"])
    assert.equal(readSteps(nonsense), undefined, nonsense);
});
