import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  ago,
  aligned,
  bytes,
  duration,
  hyperparametersLine,
  measured,
  plural,
  steps,
} from "./figures.ts";

function check<A, B>(name: string, of: (input: A) => B, cases: readonly (readonly [A, B])[]): void {
  test(name, () => {
    for (const [input, output] of cases) assert.equal(of(input), output, JSON.stringify(input));
  });
}

check<number | "NaN" | "-Infinity" | null, string>("measured numbers", (value) => measured(value), [
  [0.8622674, "0.8623"],
  [12, "12"],
  [0, "0"],
  [-0.00012346, "-0.0001235"],
  [1e-9, "1e-9"],
  [2.53e-10, "2.53e-10"],
  [7.17e-5, "7.17e-5"],
  [1e100, "1e+100"],
  [1234567.8, "1.23e+6"],
  [1234.5678, "1235"],
  [1e21, "1e+21"],
  ["NaN", "NaN"],
  ["-Infinity", "-Infinity"],
  [null, "-"],
]);

check<number | "NaN" | null, string>("figures down a column", (value) => aligned(value), [
  [0.5, "0.5000"],
  [0.86226, "0.8623"],
  [2, "2.000"],
  [0, "0.0000"],
  [3.2e-7, "3.2e-7"],
  ["NaN", "NaN"],
  [null, "-"],
]);

check("bytes", bytes, [
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [44_000_000, "44 MB"],
  [999_950, "1.0 MB"],
  [3.2e15, "3.2 PB"],
]);

check("durations", duration, [
  [0.41, "0.4 s"],
  [9.96, "10.0 s"],
  [41.4, "41 s"],
  [60, "1 min"],
  [200, "3 min 20 s"],
  [3599.7, "1 h"],
  [7500, "2 h 5 min"],
  [86_400 * 3 + 3600 * 4, "3 d 4 h"],
  [-3, "0.0 s"],
  [Number.NaN, "-"],
]);

const NOW = Date.parse("2026-11-23T12:00:00Z");
check<string | null, string>("ages", (time) => ago(time, NOW), [
  ["2026-11-23T12:00:00Z", "now"],
  ["2026-11-23T11:59:20Z", "40 s ago"],
  ["2026-11-23T11:50:00Z", "10 min ago"],
  ["2026-11-23T02:00:00Z", "10 h ago"],
  ["2026-11-01T12:00:00Z", "22 d ago"],
  [null, "-"],
]);

check("hyperparameters in a line", hyperparametersLine, [
  [{}, ""],
  [{ lr: 0.0123456, o: { name: "sgd", m: 0.9 }, on: true }, "lr=0.0123 o.m=0.9 o.name=sgd on=true"],
  [
    { list: [1, "a"], text: "two words", none: null, e: "" },
    'e="" list=[1,"a"] none=null text="two words"',
  ],
]);

test("a number is never shown as another one", () => {
  // Every exponent alike: of random doubles most would be huge or tiny.
  const double = fc
    .tuple(fc.double({ min: 1, max: 10, noNaN: true }), fc.integer({ min: -324, max: 308 }))
    .map(([mantissa, exponent]) => Number(`${mantissa}e${exponent}`))
    .filter(Number.isFinite);
  const near = (value: number, shown: string): void =>
    assert.ok(
      Math.abs(Number(shown) - value) <= 0.01 * Math.abs(value),
      `${value} is shown as ${shown}`,
    );
  fc.assert(
    fc.property(fc.oneof(double, fc.double({ noNaN: true, noDefaultInfinity: true })), (value) => {
      for (const signed of [value, -value]) {
        near(signed, measured(signed));
        near(signed, measured(signed, 3));
        near(signed, aligned(signed));
        assert.ok(measured(signed).length <= 24);
      }
    }),
    { seed: 1, numRuns: 3000 },
  );
  near(Number.MAX_VALUE, measured(Number.MAX_VALUE));
});

test("numbers and their nouns agree", () => {
  assert.equal(plural(1, "trial"), "1 trial");
  assert.equal(plural(1234, "trial"), "1,234 trials");
  assert.equal(steps(1, "epochs"), "1 epoch");
  assert.equal(steps(9, "epochs"), "9 epochs");
});
