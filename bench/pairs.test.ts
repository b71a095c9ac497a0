import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../src/base/clock.ts";
import { figure } from "./bench.ts";
import { quantileOf, quartiles } from "./figure.ts";
import { inPairs } from "./pairs.ts";
import { figureTable, number } from "./table.ts";

/** Time passes only when somebody waits. */
function stillClock(): Clock & { readonly waits: number[] } {
  let nowMs = 0;
  const waits: number[] = [];
  return {
    waits,
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, callback) {
      waits.push(delayMs);
      nowMs += delayMs;
      queueMicrotask(callback);
      return () => {};
    },
  };
}

/** Plays windows from two lists and notes the order in which they were asked for. */
function script(subjects: number[], floors: number[]) {
  const order: string[] = [];
  const next = (name: string, values: number[]) => async () => {
    order.push(name);
    return { value: values.shift() as number, cpuMs: 2 };
  };
  return { order, subject: next("subject", subjects), floor: next("floor", floors) };
}

test("quantiles lie between neighbours", () => {
  assert.deepEqual(quartiles([4, 1, 3, 2]), { low: 1.75, median: 2.5, high: 3.25, count: 4 });
  assert.equal(quantileOf([7], 0.99), 7);
});

test("the figure is the median of the pairs' own ratios, and who comes first alternates", async () => {
  // A neighbour slows the second pair down by ten: both numbers suffer, their ratio does not.
  const windows = script([50, 5, 60], [100, 10, 100]);
  const clock = stillClock();
  const say = () => {};
  const paired = await inPairs({ pairs: 3, better: "higher", clock, say, ...windows });
  assert.deepEqual(windows.order, ["subject", "floor", "floor", "subject", "subject", "floor"]);
  assert.equal(paired.ratio.median, 0.5);
  assert.equal(paired.subject.median, 50);
  assert.equal(paired.tooNoisy, false);
  assert.deepEqual([paired.subjectCpuMs, paired.floorCpuMs], [2, 2]);
  assert.deepEqual(clock.waits, []);
});

test("a floor that contradicts itself is measured again, three times at most", async () => {
  const noisy = [100, 10, 10];
  const clock = stillClock();
  const windows = script(Array(9).fill(1), [...noisy, ...noisy, ...noisy]);
  const say = () => {};
  const paired = await inPairs({ pairs: 3, better: "higher", clock, say, ...windows });
  assert.equal(paired.tooNoisy, true);
  assert.equal(windows.order.length, 18);
  assert.equal(clock.waits.length, 2);
  const calm = script(Array(6).fill(1), [...noisy, 10, 11, 12]);
  const second = await inPairs({ pairs: 3, better: "higher", clock, say, ...calm });
  assert.equal(second.tooNoisy, false);
  assert.equal(second.floor.median, 11);
});

test("for durations the smallest is the best", async () => {
  const clock = stillClock();
  const windows = script([1, 1, 1], [10, 30, 30]);
  const say = () => {};
  const given = { pairs: 3, clock, say, better: "lower" as const, attemptsMax: 1 };
  assert.equal((await inPairs({ ...given, ...windows })).tooNoisy, true);
});

test("the table says for each figure whether its aim was met, and why there is no verdict", () => {
  const value = { low: 1, median: 2, high: 3, count: 9 };
  const one = { low: 5, median: 5, high: 5, count: 1 };
  const common = { measure: "M0", unit: "ms", value };
  const text = figureTable([
    figure({ ...common, what: "fast", aim: "< 5 ms", met: true, floor: value, ratio: one }),
    figure({ ...common, what: "slow", aim: "< 1 ms", met: false, note: "because" }),
    figure({ ...common, what: "unclear", aim: "< 2 ms", met: null }),
    figure({ ...common, what: "shown only" }),
  ]);
  const lines = text.split("\n");
  assert.match(lines[1] ?? "", /^M0 +fast +2\.00 \[1\.00, 3\.00\] ms +2\.00 +5\.00 +< 5 ms +yes$/);
  assert.match(lines[2] ?? "", /NO$/);
  assert.match(lines[3] ?? "", /too noisy$/);
  assert.match(lines[4] ?? "", /–$/);
  assert.match(text, /M0 slow: because/);
  assert.match(text, /1 of 2 aims met; 1 too noisy to tell$/);
});

test("numbers show the digits that count", () => {
  const cases: [number, string][] = [
    [0, "0.00"],
    [0.0123, "0.012"],
    [1.234, "1.23"],
    [12.34, "12.3"],
    [1234.5, "1,235"],
    [Number.NaN, "NaN"],
  ];
  for (const [value, text] of cases) assert.equal(number(value), text);
});
