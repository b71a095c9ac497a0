/**
 * Every method over all small limits: it ends, exceeds nothing, strands nobody and fills its rungs
 * by the rule. A neighbour had pairs of length and divisor at which its search stood still for good.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { planSearch, searchRungs } from "./methods.ts";
import { preview } from "./preview.ts";
import { expectedArrivals, rungSteps } from "./rung-steps.ts";
import type { AdaptiveMode, HalvingForm, MethodSpec } from "./search.ts";
import { lineSpace, Player, specOf } from "./search-fixtures.test.ts";

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

interface Small {
  stepsMax: number;
  divisor: number;
  trialsMax: number;
  concurrentMax: number;
  workers: number;
}

function* small(): Generator<Small> {
  for (const stepsMax of range(1, 9))
    for (const divisor of [2, 3, 4, 1.5])
      for (const trialsMax of range(1, 9))
        for (const workers of [1, 2, 4])
          yield {
            stepsMax,
            divisor,
            trialsMax,
            workers,
            concurrentMax: (stepsMax + trialsMax) % 3 === 0 ? 0 : workers,
          };
}

/** Orders in which trials may turn out: the best first, the best last, mixed, and all equal. */
const orders = [
  (trial: number) => trial,
  (trial: number) => -trial,
  (trial: number) => (trial * 7919) % 11,
  () => 1,
  (trial: number) => (trial % 2 ? Number.NaN : trial),
];

function playAll(
  methods: (limits: Small) => MethodSpec[],
  after: (player: Player, limits: Small) => void,
): void {
  let turn = 0;
  for (const limits of small()) {
    for (const method of methods(limits)) {
      const order = orders[turn++ % orders.length] as (trial: number) => number;
      const player = new Player(specOf(method, { space: lineSpace(limits.trialsMax) }));
      try {
        player.play(order, limits.workers);
        checkCommon(player);
        after(player, limits);
      } catch (error) {
        throw new Error(`${JSON.stringify({ ...method, workers: limits.workers })}`, {
          cause: error,
        });
      }
    }
  }
}

function checkCommon(player: Player): void {
  const { trialsMax, stepsMin, stepsMax } = preview(player.spec);
  assert.equal(player.trials.size, trialsMax, "every trial is made");
  assert.equal(player.finish?.outcome, "completed");
  const trained = [...player.trials.values()].reduce((sum, seen) => sum + seen.target, 0);
  assert.ok(
    trained >= stepsMin && trained <= stepsMax,
    `${trained} steps outside ${stepsMin} … ${stepsMax}`,
  );
  for (const { entries } of searchRungs(player.spec, player.state))
    for (const entry of entries) assert.notEqual(entry.outcome, "waiting");
  assert.ok(
    [...player.trials.values()].some((seen) => seen.target === player.spec.method.stepsMax),
    "nobody reached the end",
  );
}

test("single, random and grid train every trial to the end", () => {
  playAll(
    ({ stepsMax, trialsMax, concurrentMax }) => [
      { name: "single", stepsMax, concurrentMax },
      { name: "random", stepsMax, trialsMax, concurrentMax },
      { name: "grid", stepsMax, concurrentMax },
    ],
    (player, { trialsMax, stepsMax }) => {
      assert.deepEqual(player.arrivals(), [[player.spec.method.name === "single" ? 1 : trialsMax]]);
      for (const seen of player.trials.values()) assert.equal(seen.step, stepsMax);
    },
  );
});

const ashaForms =
  (form: HalvingForm) =>
  (limits: Small): MethodSpec[] =>
    range(1, 4).map((rungs) => ({ name: "asha", form, rungs, ...limits }));

test("asha, promoting: every rung lets the best on, and everyone below has an end", () => {
  playAll(ashaForms("promoting"), (player, { divisor }) => {
    const [arrivals = []] = player.arrivals();
    for (const [r, arrived] of arrivals.entries()) {
      const next = arrivals[r + 1];
      if (next !== undefined) assert.ok(next >= Math.max(Math.floor(arrived / divisor), 1));
    }
    for (const view of searchRungs(player.spec, player.state).slice(0, -1)) {
      const passing = Math.max(Math.floor(view.entries.length / divisor), 1);
      for (const entry of view.entries.slice(0, passing)) assert.equal(entry.outcome, "promoted");
    }
  });
});

test("asha, stopping: the first always passes, nobody is ever paused", () => {
  playAll(ashaForms("stopping"), (player) => {
    assert.ok(!player.log.some((action) => action.type === "pause"));
    for (const count of player.arrivals()[0] ?? []) assert.ok(count >= 1);
  });
});

test("hyperband: every rung is exactly as large as the rule says", () => {
  playAll(
    ({ stepsMax, divisor, trialsMax, concurrentMax }) =>
      [0, 3].map((stragglerFactor) => ({
        name: "hyperband",
        stepsMax,
        divisor,
        trialsMax,
        concurrentMax,
        stragglerFactor,
      })),
    (player, { divisor }) => {
      const expected = planSearch(player.spec).brackets.map(({ trials, steps }) =>
        expectedArrivals(trials, divisor, steps.length),
      );
      assert.deepEqual(player.arrivals(), expected);
    },
  );
});

test("adaptive_asha: brackets add up to max_trials and each ends", () => {
  const modes: AdaptiveMode[] = ["aggressive", "standard", "conservative"];
  const forms: HalvingForm[] = ["promoting", "stopping"];
  playAll(
    (limits) =>
      modes.flatMap((mode, i) => [
        {
          name: "adaptive_asha",
          mode,
          form: forms[(i + limits.trialsMax) % 2] as HalvingForm,
          rungsMax: 5,
          bracketRungs: limits.stepsMax % 4 === 0 ? [1, 3, 2, 3] : [],
          ...limits,
        },
      ]),
    (player, { trialsMax }) => {
      const made = player.arrivals().map(([bottom = 0]) => bottom);
      assert.equal(
        made.reduce((sum, n) => sum + n, 0),
        trialsMax,
      );
      for (const n of made) assert.ok(n >= 1);
    },
  );
});

test("rungs are whole, ascending, distinct and end at the length", () => {
  for (const stepsMax of [1, 2, 3, 8, 9, 10, 81, 100, 1000, 10 ** 6, 9 ** 5])
    for (const divisor of [1.0001, 1.5, 2, 2.5, 3, 4, 10])
      for (const rungs of range(1, 8)) {
        const steps = rungSteps(stepsMax, divisor, rungs);
        assert.ok(steps.length <= rungs && steps.at(-1) === stepsMax && (steps[0] as number) >= 1);
        for (const [i, step] of steps.entries()) {
          assert.ok(Number.isInteger(step) && (i === 0 || step > (steps[i - 1] as number)));
        }
      }
});
