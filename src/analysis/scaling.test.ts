import assert from "node:assert/strict";
import { test } from "node:test";
import { keyed } from "../base/random.ts";
import { fitScaling, type Measured, typicalTime } from "./scaling.ts";
import { studentQuantile } from "./student.ts";

test("Student's quantiles are those of the tables", () => {
  const table: [probability: number, degrees: number, quantile: number][] = [
    [0.95, 1, 6.313752],
    [0.975, 1, 12.706205],
    [0.95, 2, 2.919986],
    [0.975, 3, 3.182446],
    [0.95, 4, 2.131847],
    [0.99, 7, 2.997952],
    [0.95, 10, 1.812461],
    [0.95, 1000, 1.646379],
    [0.5, 5, 0],
    [0.05, 1, -6.313752],
  ];
  for (const [probability, degrees, quantile] of table) {
    const found = studentQuantile(probability, degrees);
    assert.ok(Math.abs(found - quantile) < 1e-6, `t(${probability}, ${degrees}) = ${found}`);
  }
});

test("a step in which the machine did something else does not move the typical time", () => {
  assert.equal(typicalTime([1, 1, 1, 1, 1, 1, 1, 90]), 1);
  assert.equal(typicalTime([2, 4]), 3);
});

const measured = (time: (slots: number) => number, ...counts: number[]): Measured[] =>
  counts.map((slots) => ({ slots, steps: new Array<number>(8).fill(time(slots)) }));

test("two or three counts are fitted by Amdahl's law, four and more by the Universal Scalability Law", () => {
  const amdahl = (p: number): number => 0.2 + 0.8 / p;
  const two = fitScaling(measured(amdahl, 1, 2));
  assert.deepEqual([two.law.name, two.law.degreesOfFreedom, two.law.misfit], ["amdahl", 0, null]);
  assert.equal(two.predict(4).interval, null, "two points say nothing of how well a line fits");
  const three = fitScaling(measured(amdahl, 4, 1, 2));
  assert.deepEqual(
    three.points.map(({ slots }) => slots),
    [1, 2, 4],
  );
  assert.ok(Math.abs(three.law.serialShare - 0.2) < 1e-9);
  assert.ok(Math.abs(three.predict(8).seconds - amdahl(8)) < 1e-9);
  assert.equal(three.law.bestSlots, null);
  const usl = (p: number): number => 0.1 + 0.9 / p + 0.01 * (p - 1);
  const four = fitScaling(measured(usl, 1, 2, 4, 8));
  assert.equal(four.law.name, "usl");
  assert.ok(Math.abs(four.predict(16).seconds - usl(16)) < 1e-9);
  assert.ok(Math.abs((four.law.bestSlots ?? 0) - Math.sqrt(90)) < 1e-6, "where a step is shortest");
});

test("what the law cannot be is not concluded from it: the interval grows with the misfit", () => {
  const wall = (p: number): number => (p <= 2 ? 1 / p : 0.55);
  const walled = fitScaling(measured(wall, 1, 2, 4));
  const smooth = fitScaling(measured((p) => 0.2 + 0.8 / p, 1, 2, 4));
  const width = (fit: typeof walled): number => {
    const { seconds, interval } = fit.predict(8);
    return ((interval?.high ?? 0) - (interval?.low ?? 0)) / seconds;
  };
  assert.ok((walled.law.misfit ?? 0) > 0.1);
  assert.ok(width(walled) > 1 && width(smooth) < 1e-6, `${width(walled)} ${width(smooth)}`);
});

test("counts that were run twice tell how much runs differ, and the interval is narrower for it", () => {
  const noisy = (p: number, run: number): number => (0.2 + 0.8 / p) * (1 + 0.02 * (run - 0.5));
  const rounds = (count: number): Measured[] =>
    Array.from({ length: count }, (_, run) => measured((p) => noisy(p, run), 1, 2, 4)).flat();
  const once = fitScaling([...rounds(2).slice(0, 2), ...rounds(2).slice(5)]).predict(8);
  const twice = fitScaling(rounds(2));
  assert.deepEqual(
    [twice.law.name, twice.law.degreesOfFreedom, twice.points.length],
    ["amdahl", 4, 6],
  );
  const { interval } = twice.predict(8);
  assert.ok(interval!.high - interval!.low < once.interval!.high - once.interval!.low);
  assert.ok(interval!.low < 0.3 && interval!.high > 0.3);
});

test("what cannot be fitted is refused", () => {
  assert.throws(() => fitScaling(measured(() => 1, 2)), /at least 2 different counts/);
  assert.throws(() => fitScaling(measured(() => 1, 2, 2)), /at least 2 different counts/);
  assert.throws(
    () => fitScaling([{ slots: 1, steps: [1] }, ...measured(() => 1, 2)]),
    /1 step times/,
  );
  assert.throws(() => fitScaling(measured((p) => p - 1, 1, 2)), /above 0/);
});

test("a count that was held out lies in the interval as often as the interval says", () => {
  const laws: [runs: number[], heldOut: number, time: (p: number) => number][] = [
    [[1, 2, 4], 8, (p) => 0.1 + 0.9 / p],
    [[1, 2, 4], 3, (p) => 0.4 + 0.6 / p],
    [[1, 2, 4, 1, 2, 4], 8, (p) => 0.3 + 0.7 / p],
    [[1, 2, 4, 8], 16, (p) => 0.05 + 0.95 / p + 0.004 * (p - 1)],
    [[1, 2, 3, 4, 6], 8, (p) => 0.2 + 0.8 / p + 0.02 * (p - 1)],
  ];
  const studies = 200;
  for (const [counts, heldOut, time] of laws) {
    let inside = 0;
    for (let study = 0; study < studies; study++) {
      const run = (slots: number, place: number): Measured => {
        const random = keyed(7, "study", study, place, slots, heldOut);
        // Each run is a little faster or slower as a whole, and each of its steps again.
        const normal = (): number =>
          Math.sqrt(-2 * Math.log(1 - random.unit())) * Math.cos(2 * Math.PI * random.unit());
        const whole = Math.exp(0.02 * normal());
        const steps = Array.from(
          { length: 12 },
          () => time(slots) * whole * Math.exp(0.03 * normal()),
        );
        return { slots, steps };
      };
      const { interval } = fitScaling(counts.map(run)).predict(heldOut);
      const truth = typicalTime(run(heldOut, -1).steps);
      if (interval !== null && truth >= interval.low && truth <= interval.high) inside += 1;
    }
    const share = inside / studies;
    assert.ok(share >= 0.85, `${counts} → ${heldOut}: ${share} of the studies`);
  }
});
