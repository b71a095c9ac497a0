import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../base/json.ts";
import { keyed } from "../base/random.ts";
import { type Axis, axesOf, placeOf } from "./axes.ts";
import { importance } from "./importance.ts";

const SPACE = {
  strong: { type: "double", minval: 0, maxval: 1 },
  weak: { type: "double", minval: 0, maxval: 1 },
  rate: { type: "log", base: 10, minval: -4, maxval: -1 },
  layers: { type: "int", minval: 1, maxval: 4 },
  kind: { type: "categorical", vals: ["a", "b", "c"] },
};

/** Drawn evenly from the space, judged by a function whose answer is known. */
function judged(
  number: number,
  objective: (at: Record<string, number>) => number,
  axes: readonly Axis[] = axesOf(SPACE),
) {
  const random = keyed(3, "known");
  const observations = Array.from({ length: number }, () => {
    const places = axes.map(() => random.unit());
    const at = Object.fromEntries(axes.map(({ name }, i) => [name, places[i] as number]));
    return { places, objective: objective(at) };
  });
  return importance(axes, observations, { smallerIsBetter: true });
}

const shares = (of: ReturnType<typeof judged>): Record<string, number> =>
  Object.fromEntries(of.items.map(({ name, importance: share }) => [name, share]));

test("one parameter that decides all has nearly all the weight, on any scale", () => {
  for (const name of Object.keys(SPACE)) {
    const all = judged(
      1000,
      (at) => Math.floor((at[name] as number) * 3) * 10 + (at[name] as number),
    );
    assert.equal(all.items[0]?.name, name);
    assert.ok((all.items[0]?.importance ?? 0) > 0.85, `${name}: ${JSON.stringify(shares(all))}`);
    assert.ok(all.first_is_first > 0.95);
  }
});

test("the divergence is what the paper's definition gives: the best tenth of an even line has 1/0.1 - 1 = 9", () => {
  const axes = axesOf({ x: { type: "double", minval: 0, maxval: 1 } });
  const observations = Array.from({ length: 5000 }, (_, i) => ({
    places: [(i + 0.5) / 5000],
    objective: i,
  }));
  const [x] = importance(axes, observations, { smallerIsBetter: true }).items;
  // Kernels blur the edge of the tenth a little.
  assert.ok(Math.abs((x?.divergence ?? 0) - 9) < 0.7, String(x?.divergence));
  assert.equal(x?.importance, 1);
});

test("a stronger slope weighs more than a weaker, and what does nothing next to nothing", () => {
  const all = judged(2000, ({ strong = 0, weak = 0 }) => 2 * strong + weak);
  const of = shares(all);
  assert.deepEqual(
    all.items.slice(0, 2).map(({ name }) => name),
    ["strong", "weak"],
  );
  assert.ok((of.strong ?? 0) > 2 * (of.weak ?? 0), JSON.stringify(of));
  for (const name of ["rate", "layers", "kind"])
    assert.ok((of[name] ?? 1) < 0.05, JSON.stringify(of));
  assert.ok(Math.abs(Object.values(of).reduce((a, b) => a + b) - 1) < 1e-9);
});

test("few trials are told to say little: the interval is wider than that of many", () => {
  const width = (n: number): number => {
    const [first] = judged(n, ({ strong = 0, weak = 0 }) => strong + weak).items;
    return (first?.high ?? 0) - (first?.low ?? 0);
  };
  assert.ok(width(20) > 2 * width(2000), `${width(20)} ${width(2000)}`);
  assert.deepEqual(judged(9, ({ strong = 0 }) => strong).items, []);
});

test("larger is better turns it round, NaN and the infinities are worst, and the answer is the same each time", () => {
  const axes = axesOf({
    x: { type: "double", minval: 0, maxval: 1 },
    y: { type: "double", minval: 0, maxval: 1 },
  });
  const random = keyed(5, "nan");
  const observations = Array.from({ length: 400 }, () => {
    const places = [random.unit(), random.unit()];
    const [x = 0] = places;
    // Past the middle it comes apart: a loss of minus infinity is no success.
    return { places, objective: x > 0.9 ? Number.NEGATIVE_INFINITY : x > 0.5 ? Number.NaN : x };
  });
  const once = importance(axes, observations, { smallerIsBetter: true });
  assert.equal(once.items[0]?.name, "x");
  assert.deepEqual(importance(axes, observations, { smallerIsBetter: true }), once);
  const other = importance(axes, observations, { smallerIsBetter: false });
  assert.equal(other.items[0]?.name, "x");
});

test("a conditional parameter is judged among the trials that have it", () => {
  const axes = axesOf({
    kind: { type: "categorical", vals: ["adam", "sgd"] },
    momentum: { type: "double", minval: 0, maxval: 1, when: { kind: "sgd" } },
    other: { type: "double", minval: 0, maxval: 1 },
  });
  const random = keyed(9, "conditional");
  const trials = Array.from({ length: 600 }, () => {
    const isSgd = random.unit() < 0.3;
    const momentum = random.unit();
    const values: JsonObject = {
      ...{ kind: isSgd ? "sgd" : "adam", other: random.unit() },
      ...(isSgd ? { momentum } : {}),
    };
    return { values, objective: isSgd ? momentum : 0.5 };
  });
  const all = importance(
    axes,
    trials.map(({ values, objective }) => ({
      places: axes.map((axis) => placeOf(axis, values)),
      objective,
    })),
    { smallerIsBetter: true },
  );
  const momentum = all.items.find(({ name }) => name === "momentum");
  assert.equal(momentum?.is_conditional, true);
  assert.equal(momentum?.trials, trials.filter(({ values }) => values.kind === "sgd").length);
  assert.ok((momentum?.importance ?? 0) > 0.5, JSON.stringify(shares(all)));
  assert.ok((shares(all).other ?? 1) < 0.05);
});
