import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accepted, type Case, differences, run } from "./cases.ts";
import { checkConfigValue } from "./config.ts";

const space = "hyperparameters: {lr: {type: double, minval: 0, maxval: 1}}\n";
const deterministic = (rest: string): string =>
  run(`${space}reproducibility: {deterministic_search: true}\n${rest}`);
const searcher = "searcher: {name: random, metric: loss, max_length: 9, max_trials: 3}\n";

const cases: readonly Case[] = [
  ["alone", deterministic(searcher), []],
  ["with a budget of trials", deterministic(`${searcher}budget: {trials: 3}\n`), []],
  [
    "each budget that the order of arrival or a clock uses up, all at once",
    deterministic(
      `${searcher}budget:\n  steps: 9\n  time: 1h\n  slot_hours: 1\n  money: {max: 1, per_slot_hour: 1}\n  energy: {max_kwh: 1, watts_per_slot: 1}\n`,
    ),
    [
      ["6:10", ".budget.steps is 9", "deterministic_search", "how many trials run at a time"],
      ["7:9", ".budget.time"],
      ["8:15", ".budget.slot_hours"],
      ["9:10", ".budget.money"],
      ["10:11", ".budget.energy", "Bound the search by max_trials"],
    ],
  ],
  [
    "time as the program counts it",
    deterministic(
      "searcher:\n  name: random\n  metric: loss\n  max_trials: 3\n  max_time: 9\n  time_metric: seconds\n",
    ),
    [
      ["8:13", ".searcher.max_time is 9", "deterministic_search"],
      ["9:16", ".searcher.time_metric", "max_length instead"],
    ],
  ],
  [
    "the rule of stragglers",
    deterministic(
      "searcher:\n  name: hyperband\n  metric: loss\n  max_trials: 3\n  max_length: 9\n  straggler_factor: 2\n",
    ),
    [["9:21", ".searcher.straggler_factor is 2", "real clock", "set it to 0"]],
  ],
  [
    "the same without deterministic_search",
    run(`${space}${searcher}budget: {time: 1h}\nreproducibility: {deterministic_search: false}\n`),
    [],
  ],
];

describe("deterministic_search", () => {
  for (const each of cases) it(each[0], () => assert.equal(differences(each), ""));

  it("turns the rule of stragglers off where nobody asked for it, and reads so again", () => {
    const config = accepted(
      deterministic("searcher: {name: hyperband, metric: loss, max_trials: 3, max_length: 9}\n"),
    );
    assert.ok(config.searcher.name === "hyperband");
    assert.equal(config.searcher.straggler_factor, 0);
    const again = checkConfigValue(config);
    assert.ok(again.ok);
    assert.deepEqual(again.config, config);
  });
});
