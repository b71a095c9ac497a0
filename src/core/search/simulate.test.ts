import assert from "node:assert/strict";
import { test } from "node:test";
import { mixedSpace } from "../space/space-fixtures.test.ts";
import { curveFor, curveNames } from "./curves.ts";
import type { MethodSpec } from "./search.ts";
import { specOf } from "./search-fixtures.test.ts";
import { type ClusterOptions, type Simulation, simulate } from "./simulate.ts";
import type { Plan } from "./state.ts";

const play = (
  method: MethodSpec,
  options: Partial<ClusterOptions> = {},
  curve: (typeof curveNames)[number] = "power",
) =>
  simulate(
    specOf(method, { seed: options.seed ?? 1 }),
    curveFor(curve, { space: mixedSpace, stepsMax: method.stepsMax, seed: options.seed ?? 1 }),
    { slots: 4, seed: 1, ...options },
  );
const asha: MethodSpec = {
  name: "asha",
  form: "promoting",
  trialsMax: 27,
  divisor: 3,
  rungs: 3,
  stepsMax: 9,
  concurrentMax: 4,
};

test("a random search of equal trials takes rounds of slots, step by step", () => {
  const result = play({ name: "random", trialsMax: 10, stepsMax: 5, concurrentMax: 0 });
  assert.equal(result.timeMs, 3 * 5 * 1000);
  assert.equal(result.stepsTrained, 50);
  assert.equal(result.fullLength.length, 10);
  assert.equal(result.outcome, "completed");
  assert.ok(result.regret < 0.05 && result.best !== undefined);
});

test("a search is played the same twice, and stops early", () => {
  const first = play(asha, { jitter: 1, failureProbability: 0.1 });
  assert.deepEqual(play(asha, { jitter: 1, failureProbability: 0.1 }), first);
  assert.notDeepEqual(play(asha, { jitter: 1, failureProbability: 0.1, seed: 2 }), first);
  assert.ok(first.stepsTrained < first.stepsWithoutEarlyStopping / 2);
  assert.equal(first.trials.length, 27);
  assert.ok(first.trials.some((trial) => trial.exit === "errored"));
});

test("every built-in curve runs under every method, with reports between the targets", () => {
  const methods: MethodSpec[] = [
    asha,
    { ...asha, form: "stopping" },
    {
      name: "hyperband",
      divisor: 3,
      trialsMax: 27,
      stepsMax: 9,
      stragglerFactor: 3,
      concurrentMax: 4,
    },
    {
      name: "adaptive_asha",
      form: "promoting",
      mode: "standard",
      trialsMax: 27,
      divisor: 3,
      rungsMax: 5,
      bracketRungs: [],
      stepsMax: 9,
      concurrentMax: 4,
    },
  ];
  for (const name of curveNames)
    for (const method of methods) {
      const result = play(method, { reportEverySteps: 1 }, name);
      assert.equal(result.outcome, "completed");
      assert.equal(result.trials.length, 27);
      assert.ok(result.best !== undefined && Number.isFinite(result.best.objective));
      assert.equal(
        result.trials.reduce((sum, trial) => sum + trial.steps, 0),
        result.stepsTrained,
      );
    }
});

test("curves are functions of their arguments, in their families' shapes", () => {
  const hyperparameters = {
    learning_rate: 0.01,
    optimizer: "adam",
    model: { layers: 2, width: 64 },
  };
  for (const name of curveNames) {
    const at = (seed: number) => curveFor(name, { space: mixedSpace, stepsMax: 100, seed });
    const losses = [1, 10, 50, 100].map((step) => at(3).measured(hyperparameters, step));
    assert.deepEqual(
      [1, 10, 50, 100].map((step) => at(3).measured(hyperparameters, step)),
      losses,
    );
    assert.notDeepEqual(at(4).truth(hyperparameters, 100), at(3).truth(hyperparameters, 100));
  }
  const noisy = curveFor("noisy", { space: mixedSpace, stepsMax: 100, seed: 1 });
  assert.notEqual(noisy.measured(hyperparameters, 50), noisy.truth(hyperparameters, 50));
});

/** Li et al. 2020, appendix A.1: 25 workers, divisor 4, 1 … 256 steps, durations times 1 + |z|. */
const timing = { divisor: 4, stepsMax: 256, concurrentMax: 25 };
const cluster = { slots: 25, slowdown: [10], jitter: 1.33, endMs: 2_000_000 };
const asynchronous: MethodSpec = {
  name: "asha",
  form: "promoting",
  trialsMax: 5000,
  rungs: 5,
  ...timing,
};
const inTurns: MethodSpec = { name: "hyperband", trialsMax: 5000, stragglerFactor: 0, ...timing };
/** Brackets of 256 one after the other; a new one begins while the last waits, as in the paper. */
const waiting: Plan = {
  timing: "synchronous",
  brackets: Array.from({ length: 20 }, () => ({
    steps: [1, 4, 16, 64, 256],
    trials: 256,
    share: 256,
  })),
  concurrentMax: 25,
  replacementsMax: 0,
};
const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const fullOf = (results: Simulation[]): number => mean(results.map((r) => r.fullLength.length));
const firstOf = (results: Simulation[]): number =>
  mean(results.map((r) => r.fullLength[0]?.timeMs ?? cluster.endMs));

test("one slow worker of 25 holds nobody up: asha trains more to the end, and the first one earlier", () => {
  const seeds = [1, 2, 3];
  const quick = seeds.map((seed) => play(asynchronous, { ...cluster, seed }));
  const slow = seeds.map((seed) => play(inTurns, { ...cluster, seed, plan: waiting }));
  const ratio = fullOf(quick) / fullOf(slow);
  assert.ok(ratio >= 1.3, `${fullOf(quick)} against ${fullOf(slow)} full-length trials`);
  assert.ok(firstOf(quick) < firstOf(slow), `${firstOf(quick)} against ${firstOf(slow)} ms`);
});

test("the straggler rule closes a rung that waits for one slow worker alone", () => {
  const one = { ...inTurns, trialsMax: 256, stragglerFactor: 0 } as const;
  const slowdown = [...Array.from({ length: 24 }, () => 1), 200];
  const options = { slots: 25, slowdown, seed: 3 };
  const patient = play(one, options);
  const strict = play({ ...one, stragglerFactor: 4 }, options);
  assert.ok(strict.timeMs < patient.timeMs / 2, `${strict.timeMs} against ${patient.timeMs} ms`);
  const dropped = strict.decisions.filter(({ action }) => action.cause.code === "straggler");
  assert.ok(dropped.length > 0);
  assert.match(dropped[0]?.action.cause.text ?? "", /median of the \d+ who arrived is/);
  assert.deepEqual(
    strict.rungs.map((rung) => rung.entries.length),
    // Who was dropped on the way to a rung is not shown as having come there.
    [255, 63, 16, 4, 1],
  );
});

test("a deterministic search is played alike on any number of slots, and the clock shows what that costs", () => {
  const spec = specOf({ ...asha, concurrentMax: 8 });
  const curve = curveFor("power", { space: mixedSpace, stepsMax: 9, seed: 1 });
  const played = (slots: number, deterministic: boolean) => {
    const searched = deterministic ? { ...spec, deterministic: true as const } : spec;
    const options = { slots, seed: 1, jitter: 1, failureProbability: 0.1 };
    const { decisions, rungs, timeMs } = simulate(searched, curve, options);
    const acts = decisions.map(({ action }) => action).filter(({ type }) => type !== "hold");
    return { acts, rungs, timeMs };
  };
  const first = played(1, true);
  for (const slots of [4, 16]) {
    const { acts, rungs } = played(slots, true);
    assert.deepEqual(acts, first.acts);
    assert.deepEqual(rungs, first.rungs);
    assert.notDeepEqual(played(slots, false).acts, played(1, false).acts);
  }
  assert.ok(played(8, true).timeMs > played(8, false).timeMs, "waiting takes time");
});
