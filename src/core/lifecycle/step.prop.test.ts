import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { MethodSpec } from "../search/search.ts";
import { specWith } from "./lifecycle-fixtures.test.ts";
import { type Faults, ModelCluster } from "./model-cluster.test.ts";

const limits = {
  stepsMax: fc.integer({ min: 1, max: 9 }),
  concurrentMax: fc.integer({ min: 0, max: 4 }),
};
const trialsMax = fc.integer({ min: 1, max: 9 });
const form = fc.constantFrom("promoting" as const, "stopping" as const);
const divisor = fc.constantFrom(2, 3);

const method: fc.Arbitrary<MethodSpec> = fc.oneof(
  fc.record({ name: fc.constant("single" as const), ...limits }),
  fc.record({ name: fc.constant("random" as const), trialsMax, ...limits }),
  fc.record({ name: fc.constant("grid" as const), ...limits }),
  fc.record({
    name: fc.constant("asha" as const),
    form,
    trialsMax,
    divisor,
    rungs: fc.integer({ min: 1, max: 3 }),
    ...limits,
  }),
  fc.record({
    name: fc.constant("hyperband" as const),
    divisor,
    trialsMax,
    stragglerFactor: fc.constantFrom(0, 3),
    ...limits,
  }),
  fc.record({
    name: fc.constant("adaptive_asha" as const),
    form,
    mode: fc.constantFrom("aggressive" as const, "standard" as const, "conservative" as const),
    trialsMax,
    divisor,
    rungsMax: fc.integer({ min: 1, max: 3 }),
    bracketRungs: fc.constant([]),
    ...limits,
  }),
);

const faults: fc.Arbitrary<Faults> = fc.record({
  crash: fc.constantFrom(0, 0.02, 0.2),
  silent: fc.constantFrom(0, 0.5, 1),
  nan: fc.constantFrom(0, 0.3),
  people: fc.constantFrom(0, 0.5),
});

const cluster = fc.record({
  seed: fc.nat(),
  slots: fc.integer({ min: 1, max: 4 }),
  moves: fc.integer({ min: 0, max: 500 }),
  faults,
});

const SEED = 20_260_117;

test("whatever happens, every invariant of an experiment holds, and it comes to its end", () => {
  fc.assert(
    fc.property(
      method,
      cluster,
      fc.integer({ min: 0, max: 3 }),
      fc.constantFrom(
        { objective: "loss", timeMetric: null },
        { objective: "loss", timeMetric: "time" },
        { objective: null, timeMetric: null },
        { objective: null, timeMetric: "time" },
      ),
      (search, { seed, slots, moves, faults }, maxRestarts, metrics) => {
        const spec = specWith(search, { maxRestarts, ...metrics });
        const play = new ModelCluster(spec, seed, { slots, faults });
        play.play(moves);
        play.heal();
      },
    ),
    { seed: SEED, numRuns: 500 },
  );
});

test("the same for deterministic searches: nobody waits for a slot that a held trial keeps", () => {
  let held = 0;
  fc.assert(
    fc.property(method, cluster, fc.integer({ min: 0, max: 3 }), (search, c, maxRestarts) => {
      const spec = specWith(search, { maxRestarts });
      const deterministic = { ...spec, search: { ...spec.search, deterministic: true as const } };
      const play = new ModelCluster(deterministic, c.seed, { slots: c.slots, faults: c.faults });
      play.play(c.moves);
      play.heal();
      held += play.x.core.held?.results ?? 0;
    }),
    { seed: SEED, numRuns: 200 },
  );
  assert.ok(held >= 100, `only ${held} results were held`);
});

test("a budget of steps is never overspent by more than what the running trials were asked for", () => {
  let reached = 0;
  fc.assert(
    fc.property(method, cluster, fc.integer({ min: 1, max: 40 }), (search, c, steps) => {
      const spec = specWith(search, { budget: { steps } });
      const play = new ModelCluster(spec, c.seed, { slots: c.slots, faults: c.faults });
      play.play(c.moves);
      play.heal();
      const { core } = play.x;
      if (play.atBudget === null) return assert.ok(core.steps < steps);
      reached += 1;
      assert.ok(play.atBudget.steps <= steps + 1, "by at most what one report says");
      assert.ok(core.steps - play.atBudget.steps <= play.atBudget.asked, "nobody starts after it");
      if (core.ending?.text.startsWith("budget reached")) assert.equal(core.run, "completed");
    }),
    { seed: SEED, numRuns: 250 },
  );
  assert.ok(reached >= 20, `only ${reached} of the workloads reached their budget`);
});
