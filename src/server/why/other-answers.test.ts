import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answerExperiment, answerSearcher } from "./experiment-answer.ts";
import type { ChangeFact, ExperimentFacts, SlotFacts } from "./facts.ts";
import { answerSlot } from "./slot-answer.ts";

const NOW = Date.UTC(2026, 10, 23, 12);
const change = (seq: number, actor: string, what: string, cause: string): ChangeFact => ({
  ...{ seq, actor, what, cause },
  at: new Date(NOW - 60_000 + seq * 1000).toISOString(),
});
const begun = [
  change(1, "ada", "created", "submitted"),
  change(2, "ada", "active", "activated at submission"),
];
const experiment = (more: Partial<ExperimentFacts>): ExperimentFacts => ({
  ...{ id: 3, state: "active", reason: "as stored", searcher: "asha", searcherNamed: false },
  ...{ searcherReason: "No searcher was named: asha", unit: "epochs", metric: "accuracy" },
  ...{ smallerIsBetter: false, best: null, failed: [], waits: [], holders: [], draining: false },
  plan: { trialsMax: 9, rungs: [{ bracket: 0, rung: 0, step: 1, trials: 9 }] },
  trials: {
    total: 5,
    queued: 1,
    running: 2,
    paused: 2,
    completed: 0,
    canceled: 0,
    error: 0,
    replacements: 0,
  },
  ...{ changes: begun, nowMs: NOW },
  ...more,
});
const first = (more: Partial<ExperimentFacts>) => answerExperiment(experiment(more)).reasons[0];

describe("an experiment", () => {
  test("active: who activated it, how many trials there are, and what the first of them wait for", () => {
    const wait = {
      reason: { code: "no_free_slot", needed: 1, free: 0, total: 2, withheld: 0 },
      position: 1,
      waiting: 1,
      needs: 1,
    } as const;
    const { reasons } = answerExperiment(experiment({ waits: [{ trial: "3.5", wait }] }));
    assert.deepEqual(
      reasons.map(({ code }) => code),
      ["active", "trials", "waits_for_slots", "created", "searcher_chosen"],
    );
    assert.equal(
      reasons[0]?.text,
      "Experiment 3 is active: activated at submission (ada, 2026-11-23 11:59:02 UTC).",
    );
    assert.equal(
      reasons[1]?.text,
      "Of at most 9 trials, 5 were made: 1 queued, 2 running, 2 paused.",
    );
    assert.match(reasons[2]?.text ?? "", /^Trial 3\.5 waits for slots/);
  });

  test("trials in place of impossible ones are told apart from those that the limit counts", () => {
    const ended = { queued: 0, running: 0, paused: 0, canceled: 0 };
    const trials = { ...ended, total: 11, completed: 9, error: 2, replacements: 2 };
    assert.equal(
      answerExperiment(experiment({ trials })).reasons[1]?.text,
      "Of at most 9 trials, 9 were made, and 2 in place of ones with impossible hyperparameters: 9 completed, 2 failed.",
    );
  });

  test("a replay says of what, and a fork what was changed", () => {
    const copied = [change(1, "ada", "created", "a replay of trial 2.7"), ...begun.slice(1)];
    const { reasons } = answerExperiment(experiment({ changes: copied }));
    assert.equal(
      reasons.find(({ code }) => code === "copied")?.text,
      "Experiment 3 is a replay of trial 2.7, submitted by ada at 2026-11-23 11:59:01 UTC.",
    );
  });

  test("one that has something from a template or from defaults is no copy, and says from which", () => {
    const cause = "submitted over template nets@2, the defaults of pool team";
    const changes = [change(1, "ada", "created", cause), ...begun.slice(1)];
    const { reasons } = answerExperiment(experiment({ changes }));
    const told = reasons.filter(({ code }) => code === "created" || code === "copied");
    assert.deepEqual(
      told.map(({ code, text }) => [code, text]),
      [
        [
          "created",
          "Submitted by ada at 2026-11-23 11:59:01 UTC over template nets@2, the defaults of pool team.",
        ],
      ],
    );
  });

  test("over: by the search, by a budget, by a person", () => {
    const ended = (state: string, actor: string, cause: string) =>
      first({
        state,
        changes: [
          ...begun,
          change(8, actor, "stopping", cause),
          change(9, "contrail", state, cause),
        ],
      });
    const done = ended("completed", "search", "All trials are over: 9 ended well.");
    assert.equal(
      done?.text,
      "Experiment 3 was completed at 2026-11-23 11:59:08 UTC: All trials are over: 9 ended well.",
    );
    assert.deepEqual([done?.code, done?.events], ["search_completed", [8, 9]]);
    assert.equal(ended("error", "search", "All errored.")?.code, "search_error");
    assert.equal(
      ended("completed", "budget", "budget.steps (10) is used up")?.code,
      "budget_reached",
    );
    const killed = ended("canceled", "bob", "killed by bob");
    assert.deepEqual([killed?.code, killed?.actor], ["killed", "bob"]);
    assert.match(killed?.text ?? "", /^Experiment 3 was killed by bob at/);
    assert.equal(ended("canceled", "bob", "canceled by bob")?.code, "canceled");
  });

  test("paused, never activated, coming to its end, stopping with the server", () => {
    const paused = first({
      state: "paused",
      changes: [...begun, change(5, "bob", "paused", "paused by bob")],
    });
    assert.deepEqual([paused?.code, paused?.actor], ["paused_by_user", "bob"]);
    assert.equal(first({ state: "paused", changes: begun.slice(0, 1) })?.code, "never_activated");
    const stopping = first({
      state: "stopping",
      changes: [...begun, change(5, "bob", "stopping", "killed by bob")],
    });
    assert.match(stopping?.text ?? "", /\(killed by bob\); 2 trials of it still have processes/);
    const draining = answerExperiment(experiment({ draining: true }));
    assert.ok(draining.reasons.some(({ code }) => code === "server_stopping"));
  });

  test("the searcher and its plan", () => {
    const { reasons, state } = answerSearcher(experiment({}));
    assert.deepEqual([state, reasons[0]?.code], ["asha", "searcher_chosen"]);
    assert.equal(
      reasons[1]?.text,
      "It may make 9 trials (bracket 0, rung 0: 9 trials to step 1), counted in epochs.",
    );
    assert.equal(
      answerSearcher(experiment({ searcherNamed: true })).reasons[0]?.code,
      "searcher_named",
    );
  });
});

test("a slot: held, held until the processes end, free for want of work, of fit, or of a server", () => {
  const slot = (more: Partial<SlotFacts>) =>
    answerSlot({
      ...{ id: "cpu:0", holder: null, grant: null, last: null, withheld: null, leaving: null },
      ...{ waits: [], draining: false, nowMs: NOW },
      ...more,
    }).reasons;
  const holder = { slot: "cpu:0", allocation: "3.1.2", since: new Date(NOW - 4000).toISOString() };
  const grant = change(7, "scheduler", "granted cpu:0", "cpu:0 free, first in the queue");
  assert.equal(
    slot({ holder, grant })[0]?.text,
    "cpu:0 is held by allocation 3.1.2 for 4.0 s. It was granted because: cpu:0 free, first in the queue.",
  );
  assert.equal(
    slot({ holder, grant, leaving: "killed by ada" })[0]?.code,
    "held_until_processes_end",
  );
  assert.equal(
    slot({})[0]?.text,
    "cpu:0 is free: no trial waits for slots. Nobody has held it yet.",
  );
  const wait = {
    reason: { code: "no_free_slot", needed: 2, free: 1, total: 2, withheld: 0 },
    position: 1,
    waiting: 1,
    needs: 2,
  } as const;
  const stuck = slot({ waits: [{ trial: "3.5", wait }] });
  assert.deepEqual(
    stuck.map(({ code }) => code),
    ["free_nothing_fits", "waits_for_slots"],
  );
  assert.match(stuck[0]?.text ?? "", /1 trial waits, but none of them can take it now/);
  assert.equal(slot({ draining: true })[0]?.code, "free_server_stopping");
});
