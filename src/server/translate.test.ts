import assert from "node:assert/strict";
import { test } from "node:test";
import { planSearch } from "../core/search/methods.ts";
import type { MethodSpec } from "../core/search/search.ts";
import { type ExperimentConfig, readConfig } from "../protocol/config/config.ts";
import { toLaunchSettings, toPlan, toSearch, toSettings, UNBOUNDED_STEPS } from "./translate.ts";

const SPACE = "hyperparameters: {x: {type: double, minval: 0, maxval: 1, count: 8}}\n";

function configOf(text: string): ExperimentConfig {
  const reading = readConfig(`entrypoint: train\n${SPACE}${text}`);
  assert.ok(reading.ok, reading.ok ? "" : reading.issues.map((issue) => issue.message).join("\n"));
  return reading.config;
}

test("each searcher, as core is told of it", () => {
  const common = "metric: loss, max_length: {epochs: 9}, max_concurrent_trials: 5";
  const limits = { stepsMax: 9, concurrentMax: 5 };
  const table: [string, MethodSpec][] = [
    [
      `{name: single, metric: loss, max_length: 9}`,
      { name: "single", stepsMax: 9, concurrentMax: 1 },
    ],
    [`{name: random, ${common}, max_trials: 7}`, { name: "random", trialsMax: 7, ...limits }],
    [`{name: grid, ${common}}`, { name: "grid", ...limits }],
    [
      `{name: asha, ${common}, max_trials: 9, divisor: 3}`,
      { name: "asha", form: "promoting", trialsMax: 9, divisor: 3, rungs: 3, ...limits },
    ],
    [
      `{name: asha, ${common}, max_trials: 9, divisor: 3, num_rungs: 2, stop_once: true}`,
      { name: "asha", form: "stopping", trialsMax: 9, divisor: 3, rungs: 2, ...limits },
    ],
    [
      `{name: hyperband, ${common}, max_trials: 9, divisor: 3, straggler_factor: 4}`,
      { name: "hyperband", trialsMax: 9, divisor: 3, stragglerFactor: 4, ...limits },
    ],
  ];
  for (const [searcher, expected] of table) {
    const { search, reason } = toSearch(configOf(`searcher: ${searcher}\n`), 3);
    assert.deepEqual(search.method, expected, searcher);
    assert.match(reason, /named in the configuration/);
    assert.deepEqual([search.seed, search.smallerIsBetter], [3, true]);
    planSearch(search);
  }
});

test("where none is named one is chosen and the reason is given; the budget's trials are a limit", () => {
  const text = "searcher: {metric: loss, max_length: {epochs: 27}}\n";
  const { search, reason } = toSearch(configOf(text), 1);
  assert.equal(search.method.name, "asha");
  assert.match(reason, /^No searcher was named: asha/);
  for (const [budget, trialsMax] of [
    [10, 10],
    [1000, 1000],
  ]) {
    const chosen = toSearch(configOf(`${text}budget: {trials: ${budget}}\n`), 1);
    const { method } = chosen.search;
    assert.equal("trialsMax" in method && method.trialsMax, trialsMax);
    assert.match(chosen.reason, new RegExp(` and ${trialsMax} trials \\(by budget.trials\\)\\.`));
  }
  const named = configOf(
    "searcher: {name: random, metric: loss, max_length: 3, max_trials: 5}\nbudget: {trials: 9}\n",
  );
  const { method } = toSearch(named, 1).search;
  assert.equal("trialsMax" in method && method.trialsMax, 5);
});

test("a run without a length has no bound, and the plan does not pretend to one", () => {
  const reading = readConfig("entrypoint: train\n");
  assert.ok(reading.ok);
  const { search } = toSearch(reading.config, 1);
  assert.equal(search.method.stepsMax, UNBOUNDED_STEPS);
  const plan = toPlan(search, 1, 4);
  assert.deepEqual([plan.trials_max, plan.steps_min, plan.steps_max], [1, null, null]);
  assert.equal(plan.concurrent_max, 1);
  assert.ok(plan.rungs.every((rung) => rung.step === null));
});

test("budget, time metric and resources arrive in core's units", () => {
  const config = configOf(`
searcher: {name: random, metric: loss, max_trials: 2, time_metric: seconds, max_time: 60}
budget: {steps: 10, time: 2m, slot_hours: 3, money: {max: 5, per_slot_hour: 2}, energy: {max_kwh: 1, watts_per_slot: 300}}
resources: {slots_per_trial: 2, max_slots: 6, priority: 7}
max_restarts: 4
`);
  const settings = toSettings(config, toSearch(config, 1).search);
  assert.deepEqual(settings.spec.budget.timeMs, 120_000);
  assert.deepEqual(settings.spec.budget.energy, { maxKwh: 1, wattsPerSlot: 300 });
  assert.deepEqual(
    [settings.spec.timeMetric, settings.spec.search.method.stepsMax, settings.unit],
    ["seconds", 60, "seconds"],
  );
  assert.deepEqual(
    [settings.spec.slotsPerTrial, settings.slotsMax, settings.priority, settings.spec.maxRestarts],
    [2, 6, 7, 4],
  );
});

test("a command line is run by a shell, a list as it is", () => {
  const base = {
    environment: { environment_variables: { A: "1" } },
    ...{ preemption_timeout: 60, reproducibility: {} },
  };
  const of = (entrypoint: string | string[]) =>
    toLaunchSettings({ ...base, entrypoint } as never).entrypoint;
  assert.deepEqual(of("python train.py | tee log"), ["/bin/sh", "-c", "python train.py | tee log"]);
  assert.deepEqual(of(["python", "a b.py"]), ["python", "a b.py"]);
  assert.equal(toLaunchSettings({ ...base, entrypoint: [] } as never).yieldGraceMs, 60_000);
});

test("a deadline for progress is told to the runner where there is one", () => {
  const searcher = "searcher: {metric: loss, max_length: 9}\n";
  const of = (text: string) =>
    toLaunchSettings(configOf(searcher + text) as never).progressDeadlineMs;
  assert.equal(of("progress_deadline: 15m\n"), 900_000);
  assert.equal(of("progress_deadline: 0.5\n"), 500);
  assert.equal(of(""), undefined);
  const stored = { ...configOf(searcher), progress_deadline: undefined };
  assert.equal(toLaunchSettings(stored as never).progressDeadlineMs, undefined, "an old one");
});
