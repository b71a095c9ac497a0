import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../base/json.ts";
import { sample } from "../../core/space/sample.ts";
import { readConfig, toSpace } from "../../protocol/config/config.ts";
import { storableJson } from "../../store/storable.ts";
import { constants, forkDocument } from "./document.ts";

const TEXT = `# What we try for the spring release.
name: digits
entrypoint: python3 train.py
data: {train: digits@latest, depth: 3}   # always the newest
searcher:
  name: adaptive_asha
  metric: loss
  max_length: {epochs: 27}   # a night
  max_trials: 50
hyperparameters:
  rate: {type: log, base: 10, minval: -4, maxval: -1}
  # which one is faster?
  optimizer:
    kind: {type: categorical, vals: [sgd, adam]}
    momentum: {type: double, minval: 0, maxval: 1, when: {optimizer.kind: sgd}}
environment:
  environment_variables: [A=1, B=2]
`;

function resolvedOf(text: string): JsonObject {
  const reading = readConfig(text);
  assert.ok(reading.ok, JSON.stringify(reading));
  return storableJson(reading.config) as unknown as JsonObject;
}

function sourceOf(text: string, trial: JsonObject | null = null) {
  const config = resolvedOf(text);
  const experiment = {
    ...{ id: 3, config_text: text, seed: 4_000_000_000 },
    config: { ...config, workspace: "default", project: "default" },
    data: { train: { snapshot: "a".repeat(64), dataset: "digits@4" }, depth: { value: 3 } },
  };
  return {
    experiment,
    trial: trial && { number: 12, hyperparameters: trial, seed: 2_000_000_001, restarts: 0 },
  };
}

test("a copy of an experiment says in its author's words what was resolved then", () => {
  const { text, config } = forkDocument(sourceOf(TEXT));
  assert.match(text, /# What we try for the spring release\.\n/);
  assert.match(text, /# which one is faster\?/);
  assert.match(text, /train: digits@4/);
  assert.match(text, /experiment_seed: 4000000000/);
  const { reproducibility, searcher } = resolvedOf(text) as unknown as {
    reproducibility: JsonObject;
    searcher: JsonObject;
  };
  assert.equal(reproducibility.experiment_seed, 4_000_000_000);
  assert.deepEqual(searcher, resolvedOf(TEXT).searcher);
  assert.deepEqual(resolvedOf(text), config);
});

test("a copy of a trial is that trial alone: its choice, its seed, the length of the search", () => {
  const choice = { rate: 0.012345678901234567, optimizer: { kind: "sgd", momentum: 0.3 } };
  const { text } = forkDocument(sourceOf(TEXT, choice));
  const config = resolvedOf(text) as unknown as {
    searcher: JsonObject;
    hyperparameters: JsonObject;
    reproducibility: JsonObject;
    budget: unknown;
  };
  assert.deepEqual(config.searcher, {
    ...{ name: "single", metric: "loss", smaller_is_better: true },
    ...{ max_length: { epochs: 27 }, max_time: null, time_metric: null },
    source_checkpoint_uuid: null,
  });
  assert.deepEqual(sample(toSpace(config.hyperparameters), 7, 1), choice);
  assert.equal(config.reproducibility.trial_seed, 2_000_000_001);
  assert.match(text, /# a night/);
});

test("a replay goes exactly as far, saves where its trial did and keeps all of it", () => {
  const source = sourceOf(`${TEXT}budget: {steps: 100}\n`, { rate: 0.5 });
  const { text } = forkDocument(source, {
    steps: 9,
    unit: "epochs",
    checkpointSteps: [1, 3, 9],
    require: null,
    image: null,
    rebuild: null,
  });
  const { searcher, reproducibility, checkpoint_storage, budget } = resolvedOf(text) as unknown as {
    [block: string]: JsonObject;
  };
  assert.deepEqual(searcher?.max_length, { epochs: 9 });
  assert.deepEqual(reproducibility?.checkpoint_steps, [1, 3, 9]);
  assert.equal(checkpoint_storage?.save_trial_latest, 4);
  assert.equal(budget, null);
});

test("what cannot be changed in place is written anew, and says the same", () => {
  const aliased = `entrypoint: &run python3 train.py
description: *run
labels: [*run]
reproducibility: &seeds {experiment_seed: 1}
data: {train: digits@latest, again: *seeds}
`;
  const odd = [
    aliased,
    JSON.stringify(resolvedOf(TEXT)),
    "{entrypoint: [a, b]}",
    "entrypoint: |\n  a\n  b\n",
  ];
  for (const text of odd) {
    const source = sourceOf(text);
    const copy = forkDocument(source);
    assert.deepEqual(resolvedOf(copy.text), copy.config, text);
    assert.deepEqual(copy.config.entrypoint, resolvedOf(text).entrypoint);
  }
});

test("any choice comes back from its constants", () => {
  const choices: JsonObject[] = [
    {},
    { a: 1e-300, b: [1, { c: null }], d: null, e: "1e5", f: true, g: "no" },
    { group: { type: "categorical", vals: [1] } },
    { group: { when: { a: 1 }, empty: {}, deep: { x: { y: 0.1 } } } },
    { odd: { "a b": 1, "": 2 } },
    { odd: { "a.b": { constructor: 1 } } },
    { n: -0.0, big: 1.7976931348623157e308, tiny: 5e-324 },
  ];
  for (const choice of choices)
    assert.deepEqual(
      storableJson(sample(toSpace(constants(choice)), 3, 1)),
      storableJson(choice),
      JSON.stringify(choice),
    );
});
