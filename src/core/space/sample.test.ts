import assert from "node:assert/strict";
import { test } from "node:test";
import { sample, trialSeed } from "./sample.ts";
import type { Space } from "./space.ts";
import { mixedSpace, named, spaceOf } from "./space-fixtures.test.ts";

const draws = (space: Space, count: number, seed = 7) =>
  Array.from({ length: count }, (_, i) => sample(space, seed, i + 1));

test("int reaches both ends, double stays below its maximum, log stays in its powers", () => {
  const space = spaceOf({
    i: { type: "int", min: -1, max: 1 },
    d: { type: "double", min: 2, max: 3 },
    l: { type: "log", base: 10, minExponent: -3, maxExponent: -1 },
  });
  const seen = new Set<number>();
  for (const point of draws(space, 500)) {
    seen.add(point.i as number);
    assert.ok((point.d as number) >= 2 && (point.d as number) < 3);
    assert.ok((point.l as number) >= 1e-3 * (1 - 1e-12) && (point.l as number) <= 0.1);
  }
  assert.deepEqual([...seen].sort(), [-1, 0, 1]);
});

test("half of a log range's draws lie in the lower half of its exponents", () => {
  const space = spaceOf({ l: { type: "log", base: 10, minExponent: -4, maxExponent: 0 } });
  const low = draws(space, 2000).filter((point) => (point.l as number) < 0.01).length;
  assert.ok(low > 900 && low < 1100, `${low} of 2000`);
});

test("a conditional parameter is there exactly where its condition holds", () => {
  const points = draws(mixedSpace, 200);
  for (const point of points) assert.equal("momentum" in point, point.optimizer === "sgd");
  assert.ok(points.some((point) => "momentum" in point));
  assert.ok(points.some((point) => !("momentum" in point)));
});

test("a condition on an inactive parameter is false", () => {
  const space = spaceOf({
    a: { type: "const", value: 1 },
    b: { type: "const", value: 2, when: { path: ["a"], values: [0] } },
    c: { type: "const", value: 3, when: { path: ["b"], values: [2] } },
  });
  assert.deepEqual(sample(space, 1, 1), { a: 1 });
});

test("a group that is inactive takes everything in it along", () => {
  const space = spaceOf({
    kind: { type: "categorical", values: ["tree", "net"] },
    net: {
      type: "nested",
      children: named({ depth: { type: "int", min: 1, max: 9 } }),
      when: { path: ["kind"], values: ["net"] },
    },
    warmup: { type: "int", min: 1, max: 2, when: { path: ["net", "depth"], values: [1, 2, 3] } },
  });
  for (const point of draws(space, 300)) {
    assert.equal("net" in point, point.kind === "net");
    const depth = (point.net as { depth: number } | undefined)?.depth;
    assert.equal("warmup" in point, depth !== undefined && depth <= 3);
  }
});

test("adding a parameter leaves the values of the others alone", () => {
  const wider: Space = {
    type: "nested",
    children: [
      { name: "batch", parameter: { type: "int", min: 1, max: 64 } },
      ...mixedSpace.children,
    ],
  };
  for (let trial = 1; trial <= 50; trial++) {
    const { batch, ...rest } = sample(wider, 3, trial);
    assert.equal(typeof batch, "number");
    assert.deepEqual(rest, sample(mixedSpace, 3, trial));
  }
});

test("children of a nested group with the same names do not share draws", () => {
  const leaf = { type: "double", min: 0, max: 1 } as const;
  const space = spaceOf({
    left: { type: "nested", children: named({ x: leaf }) },
    right: { type: "nested", children: named({ x: leaf }) },
  });
  const point = sample(space, 1, 1) as { left: { x: number }; right: { x: number } };
  assert.notEqual(point.left.x, point.right.x);
});

test("conditions in a circle, empty lists and unknown names are a programmer's mistake", () => {
  const circle = spaceOf({
    a: { type: "const", value: 1, when: { path: ["b"], values: [1] } },
    b: { type: "const", value: 1, when: { path: ["a"], values: [1] } },
  });
  assert.throws(() => sample(circle, 1, 1), /depends on itself/);
  assert.throws(
    () => sample(spaceOf({ a: { type: "categorical", values: [] } }), 1, 1),
    /empty list/,
  );
  const unknown = spaceOf({ a: { type: "const", value: 1, when: { path: ["z"], values: [1] } } });
  assert.throws(() => sample(unknown, 1, 1), /no parameter z/);
});

test("extreme ranges stay inside their bounds", () => {
  const max = Number.MAX_VALUE;
  const space = spaceOf({
    huge: { type: "double", min: -max, max },
    tight: { type: "double", min: 1, max: 1 + Number.EPSILON },
    wide: { type: "int", min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER },
  });
  for (const point of draws(space, 200)) {
    assert.ok(Number.isFinite(point.huge));
    assert.equal(point.tight, 1);
    assert.ok(Number.isSafeInteger(point.wide));
  }
});

test("trial seeds are whole numbers below 2^31 and differ from trial to trial", () => {
  const seeds = Array.from({ length: 100 }, (_, i) => trialSeed(5, i + 1));
  for (const seed of seeds) assert.ok(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31);
  assert.equal(new Set(seeds).size, 100);
  assert.equal(trialSeed(5, 17), seeds[16]);
});
