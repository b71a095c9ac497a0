import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { fitScaling } from "./scaling.ts";

const share = fc.double({ min: 0, max: 1, noNaN: true });
const scale = fc.double({ min: 1e-4, max: 1e4, noNaN: true });
/** As people choose them: from one on. */
const counts = (min: number) =>
  fc
    .uniqueArray(fc.integer({ min: 2, max: 64 }), { minLength: min - 1, maxLength: 5 })
    .map((others) => [1, ...others]);
const seconds = fc.double({ min: 0.1, max: 10, noNaN: true });

describe("a law of speed-up", () => {
  test("that made the times is found again, for every count", () => {
    fc.assert(
      fc.property(
        counts(2),
        share,
        share,
        scale,
        fc.integer({ min: 1, max: 128 }),
        (slots, serial, talk, unit, asked) => {
          const usl = slots.length >= 4;
          const time = (p: number): number =>
            unit * (serial + (1 - serial) / p + (usl ? 0.05 * talk * (p - 1) : 0));
          const fit = fitScaling(
            slots.map((p) => ({ slots: p, steps: [time(p), time(p), time(p)] })),
          );
          assert.ok(Math.abs(fit.predict(asked).seconds / time(asked) - 1) < 1e-4);
        },
      ),
      { seed: 20261123 },
    );
  });

  test("never has a negative part, is inside its interval, and does not depend on the order or the unit", () => {
    const some = counts(2).chain((slots) =>
      fc.tuple(
        ...slots.map((p) =>
          fc.record({
            slots: fc.constant(p),
            steps: fc.array(seconds, { minLength: 2, maxLength: 8 }),
          }),
        ),
      ),
    );
    fc.assert(
      fc.property(some, fc.integer({ min: 1, max: 128 }), (measured, asked) => {
        const fit = fitScaling(measured);
        const { serial, parallel, crosstalk } = fit.law;
        for (const part of [serial, parallel, crosstalk])
          assert.ok(part >= 0 && Number.isFinite(part));
        const { seconds: time, interval } = fit.predict(asked);
        assert.ok(time > 0);
        assert.equal(interval === null, fit.law.degreesOfFreedom === 0);
        if (interval !== null)
          assert.ok(interval.low >= 0 && interval.low <= time && time <= interval.high);
        assert.deepEqual(fitScaling(measured.toReversed()).law, fit.law);
        const slower = fitScaling(
          measured.map(({ slots, steps }) => ({ slots, steps: steps.map((one) => 2 * one) })),
        );
        assert.ok(Math.abs(slower.predict(asked).seconds / time / 2 - 1) < 1e-6);
      }),
      { seed: 20261123 },
    );
  });

  test("with more crosstalk than work gets slower with more slots", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.2, max: 1, noNaN: true }), (talk) => {
        const time = (p: number): number => 1 / p + talk * (p - 1);
        const fit = fitScaling(
          [1, 2, 3, 4, 5].map((p) => ({ slots: p, steps: [time(p), time(p)] })),
        );
        const best = fit.law.bestSlots ?? Number.POSITIVE_INFINITY;
        assert.ok(best < 3);
        assert.ok(fit.predict(Math.ceil(best) + 1).seconds > fit.predict(Math.ceil(best)).seconds);
      }),
      { seed: 20261123 },
    );
  });
});
