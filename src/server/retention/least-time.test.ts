import assert from "node:assert/strict";
import { test } from "node:test";
import { LeastTime } from "./least-time.ts";

test("time passes when both clocks say so, and a step of one alone brings nothing forward", () => {
  const at = { wall: 1_000_000, monotonic: 500 };
  const least = new LeastTime({ nowMs: () => at.wall, monotonicMs: () => at.monotonic });
  const after = (wall: number, monotonic: number): number => {
    at.wall += wall;
    at.monotonic += monotonic;
    return least.nowMs;
  };
  assert.equal(after(0, 0), 1_000_000);
  assert.equal(after(100, 100), 1_000_100);
  assert.equal(after(900_000, 0), 1_000_100, "the wall clock is set forward");
  assert.equal(after(50, 50), 1_000_150);
  assert.equal(after(-1_800_000, 0), 100_150, "and back, further than it was");
  assert.equal(after(0, 5_000_000), 100_150, "it stands still");
});
