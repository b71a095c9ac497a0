import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Clock, Share } from "../../base/clock.ts";
import {
  guessParents,
  type Likened,
  likenessOf,
  SKETCH,
  SKETCH_DIGITS,
  type Sketch,
  settingsOf,
  sketchOf,
} from "./likeness.ts";

const digits = (n: number): string => n.toString(16).padStart(SKETCH_DIGITS, "0");
const files = (...names: string[]): Sketch =>
  sketchOf(names.map((name) => digits(name.charCodeAt(0))).join(""));

const run = (id: number, more: Partial<Likened> = {}): Likened => ({
  ...{ id, project: "p", code: files("a", "b", "c"), settings: new Set(["x=1", "y=2"]) },
  ...more,
});

/** Each look at it takes 1 ms. */
function slowClock(onTurn = () => {}): Clock {
  let nowMs = 0;
  const after = (_delayMs: number, callback: () => void): (() => void) => {
    onTurn();
    queueMicrotask(callback);
    return () => {};
  };
  return { nowMs: () => nowMs, monotonicMs: () => ++nowMs, after };
}

test("a run is alike itself, and as much as the other is alike it", () => {
  assert.equal(likenessOf(run(1), run(2)), 1);
  assert.equal(likenessOf(run(1), run(2, { code: files("a", "b", "d") })), 0.75);
  assert.equal(likenessOf(run(1), run(2, { settings: new Set(["x=1", "y=3"]) })), (1 + 1 / 3) / 2);
  assert.equal(likenessOf(run(1), run(2, { code: null })), 0.5);
  assert.equal(likenessOf(run(1, { code: null }), run(2, { code: null })), 1);
  assert.equal(likenessOf(run(1, { code: files() }), run(2)), 0.5);
});

test("the most alike of the earlier ones is the parent, of equals the latest, in its project alone", async () => {
  const runs = [
    run(1),
    run(2, { code: files("a", "b", "d") }),
    run(3, { code: files("a", "b", "d") }),
    run(4, { code: files("a", "b", "d", "e") }),
    run(5, { code: files("z"), settings: new Set(["q=1"]) }),
    run(6, { project: "other" }),
  ];
  const guesses = await guessParents(runs, new Share(slowClock(), 1000));
  assert.deepEqual(
    [...guesses].map(([id, { parent }]) => [id, parent]),
    [
      [2, 1],
      [3, 2],
      [4, 3],
    ],
  );
});

test("others are let in between comparisons, and it is guessed as without them", async () => {
  const runs = Array.from({ length: 300 }, (_, at) =>
    run(at, { settings: new Set([`x=${at % 7}`]) }),
  );
  let turns = 0;
  const clock = slowClock(() => {
    turns += 1;
  });
  const guesses = await guessParents(runs, new Share(clock, 5));
  // Each run but the first few is compared with seven, of 1 ms by this clock.
  assert.ok(turns > 200, `${turns}`);
  assert.deepEqual(guesses, await guessParents(runs, new Share(slowClock(), 1e9)));
});

test("where code cannot make it the most alike, it is not looked at", () => {
  const unseen = run(2, { settings: new Set(["x=1", "y=3"]) });
  Object.defineProperty(unseen, "code", { get: () => new Proxy(files("a"), { get: assert.fail }) });
  assert.ok(likenessOf(run(1), unseen, 0.7) < 0.7);
});

test("what is left out where it cannot count any more changes no guess", () => {
  const code = fc
    .uniqueArray(fc.integer({ min: 0, max: 400 }), { minLength: 0, maxLength: SKETCH })
    .map((all) =>
      sketchOf(
        all
          .toSorted((a, b) => a - b)
          .map(digits)
          .join(""),
      ),
    );
  const settings = fc
    .uniqueArray(fc.integer({ min: 0, max: 4 }))
    .map((all) => new Set(all.map(String)));
  fc.assert(
    fc.property(
      code,
      code,
      settings,
      settings,
      fc.double({ min: 0, max: 1, noNaN: true }),
      (a, b, c, d, floor) => {
        const [one, two] = [run(1, { code: a, settings: c }), run(2, { code: b, settings: d })];
        const exact = likenessOf(one, two);
        assert.equal(likenessOf(one, two, exact), exact);
        const told = likenessOf(one, two, floor);
        assert.ok(exact >= floor ? told === exact : told < floor);
      },
    ),
    { seed: 20261123, numRuns: 200 },
  );
});

test("a sketch of large folders tells their likeness within a few hundredths", () => {
  const hash = (n: number): string => digits((n * 2654435761) % 2 ** 32);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3000 }), (shared) => {
      const all = (from: number): string[] =>
        Array.from({ length: 3000 }, (_, at) => hash(from + at)).sort();
      const [a, b] = [all(1), all(1 + 3000 - shared)];
      const truth = shared / (6000 - shared);
      const settings = new Set<string>();
      const guess = likenessOf(
        run(1, { code: sketchOf(a.slice(0, SKETCH).join("")), settings }),
        run(2, { code: sketchOf(b.slice(0, SKETCH).join("")), settings }),
      );
      // Four standard errors of 256 draws.
      assert.ok(Math.abs(2 * guess - 1 - truth) <= 4 * Math.sqrt(0.25 / SKETCH));
    }),
    { seed: 20261123, numRuns: 50 },
  );
});

test("what only names a run is no setting", () => {
  const config = { name: "n", labels: ["x"], searcher: { name: "asha", divisor: 4 }, data: [] };
  assert.deepEqual([...settingsOf(config)], ['/searcher/name="asha"', "/searcher/divisor=4"]);
});
