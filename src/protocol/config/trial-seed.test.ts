import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accepted, type Case, differences, run } from "./cases.ts";

const space = "hyperparameters: {lr: {type: double, minval: 0, maxval: 1}}\n";
const random = "searcher: {name: random, metric: loss, max_length: 9, max_trials: 3}\n";
const seed = "reproducibility: {trial_seed: 7}\n";

const cases: readonly Case[] = [
  ["of a run by hand", run(seed), []],
  ["of a single trial", run(`${seed}searcher: {name: single, metric: loss, max_length: 9}\n`), []],
  [
    "of many trials",
    run(`${seed}${space}${random}`),
    [["2:31", ".reproducibility.trial_seed is 7", "random", "searcher.name to single"]],
  ],
  [
    "of a search that is left to choose",
    run(`${seed}${space}searcher: {metric: loss, max_length: 9}\n`),
    [["2:31", ".reproducibility.trial_seed is 7", "left to choose"]],
  ],
];

describe("a seed for the trial itself", () => {
  for (const each of cases) it(each[0], () => assert.equal(differences(each), ""));
});

it("steps with checkpoints are kept once each, in order", () => {
  const config = accepted(run("reproducibility: {checkpoint_steps: [9, 3, 9, 1]}\n"));
  assert.deepEqual(config.reproducibility.checkpoint_steps, [1, 3, 9]);
});
