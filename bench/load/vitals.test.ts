import assert from "node:assert/strict";
import { test } from "node:test";
import { changePercent, slopeOf } from "./vitals.ts";

const MINUTE_MS = 60_000;
/** A sample every five seconds for half an hour. */
const course = (value: (hours: number) => number) =>
  Array.from({ length: 360 }, (_, index) => {
    const atMs = index * 5_000;
    return { atMs, value: value(atMs / (60 * MINUTE_MS)) };
  });

test("a straight line has its slope and no uncertainty", () => {
  const slope = slopeOf(
    course((hours) => 100 + 3 * hours),
    10,
  );
  assert.ok(slope !== undefined);
  assert.ok(Math.abs(slope.anHour - 3) < 1e-6, `${slope.anHour}`);
  assert.ok(slope.plusMinus < 1e-6, `${slope.plusMinus}`);
});

test("a breath that is slower than a block widens the interval, which still holds the true slope", () => {
  const slope = slopeOf(
    course((hours) => 100 + 3 * hours + 5 * Math.sin(hours * 60)),
    10,
  );
  assert.ok(slope !== undefined);
  assert.ok(slope.plusMinus > 1, `${slope.plusMinus}`);
  assert.ok(Math.abs(slope.anHour - 3) < slope.plusMinus, JSON.stringify(slope));
});

test("by the least value of each block, what comes and goes does not count", () => {
  const busy = course((hours) => 100 + 3 * hours).map(({ atMs, value }, index) => ({
    atMs,
    value: value + (index % 7 === 0 ? 0 : 40 * Math.abs(Math.sin(index))),
  }));
  const slope = slopeOf(busy, 10, "least");
  assert.ok(slope !== undefined);
  assert.ok(Math.abs(slope.anHour - 3) < 0.5, JSON.stringify(slope));
  assert.ok((slopeOf(busy, 10)?.plusMinus ?? 0) > slope.plusMinus);
});

test("too few samples have no slope", () => {
  assert.equal(slopeOf([{ atMs: 0, value: 1 }], 10), undefined);
  assert.equal(slopeOf([], 10), undefined);
});

test("the change leaves the warm-up out", () => {
  const warm = [...Array(20).fill(50), ...Array(40).fill(100), ...Array(40).fill(110)];
  assert.ok(Math.abs(changePercent(warm, 0.2) - 10) < 1e-9);
  assert.equal(changePercent([7], 0), 0);
});
