import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { guessParents, type Likened, likenessOf, SKETCH, settingsOf } from "./likeness.ts";

const run = (id: number, more: Partial<Likened> = {}): Likened => ({
  ...{ id, project: "p", code: ["a", "b", "c"], settings: new Set(["x=1", "y=2"]) },
  ...more,
});

test("a run is alike itself, and as much as the other is alike it", () => {
  assert.equal(likenessOf(run(1), run(2)), 1);
  assert.equal(likenessOf(run(1), run(2, { code: ["a", "b", "d"] })), 0.75);
  assert.equal(likenessOf(run(1), run(2, { settings: new Set(["x=1", "y=3"]) })), (1 + 1 / 3) / 2);
  assert.equal(likenessOf(run(1), run(2, { code: null })), 0.5);
  assert.equal(likenessOf(run(1, { code: null }), run(2, { code: null })), 1);
  assert.equal(likenessOf(run(1, { code: [] }), run(2)), 0.5);
});

test("the most alike of the earlier ones is the parent, of equals the latest, in its project alone", () => {
  const runs = [
    run(1),
    run(2, { code: ["a", "b", "d"] }),
    run(3, { code: ["a", "b", "d"] }),
    run(4, { code: ["a", "b", "d", "e"] }),
    run(5, { code: ["z"], settings: new Set(["q=1"]) }),
    run(6, { project: "other" }),
  ];
  const guesses = guessParents(runs);
  assert.deepEqual(
    [...guesses].map(([id, { parent }]) => [id, parent]),
    [
      [2, 1],
      [3, 2],
      [4, 3],
    ],
  );
});

test("a sketch of large folders tells their likeness within a few hundredths", () => {
  const hash = (n: number): string => ((n * 2654435761) % 2 ** 32).toString(16).padStart(8, "0");
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3000 }), (shared) => {
      const all = (from: number): string[] =>
        Array.from({ length: 3000 }, (_, at) => hash(from + at)).sort();
      const [a, b] = [all(1), all(1 + 3000 - shared)];
      const truth = shared / (6000 - shared);
      const settings = new Set<string>();
      const guess = likenessOf(
        run(1, { code: a.slice(0, SKETCH), settings }),
        run(2, { code: b.slice(0, SKETCH), settings }),
      );
      // Four standard errors of 256 draws.
      assert.ok(Math.abs(2 * guess - 1 - truth) <= 4 * Math.sqrt(0.25 / SKETCH));
    }),
    { numRuns: 50 },
  );
});

test("what only names a run is no setting", () => {
  const config = { name: "n", labels: ["x"], searcher: { name: "asha", divisor: 4 }, data: [] };
  assert.deepEqual([...settingsOf(config)], ['/searcher/name="asha"', "/searcher/divisor=4"]);
});
