import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Standing } from "../../core/search/search.ts";
import type { DecisionFact, TrialFacts } from "./facts.ts";
import { answerTrial } from "./trial-answer.ts";
import { allocation, at, change, created, facts, first, NOW } from "./trial-fixtures.test.ts";

const standing: Standing = {
  ...{ bracket: 0, rung: 1, step: 3, objective: 0.41, rank: 5, of: 6, passing: 2, threshold: 0.62 },
  competitors: [
    { trial: 1, objective: 0.81 },
    { trial: 3, objective: 0.62 },
    { trial: 7, objective: 0.41 },
  ],
};
const decision = (what: DecisionFact["what"], code: string, text: string): DecisionFact => ({
  ...{ what, code, text, target: 9 },
  standing: what === "create" ? null : standing,
});
describe("the first reason explains the state", () => {
  const stop = (code: string, endReason = "stopped_by_search") =>
    first({
      ...{ state: "completed", endReason },
      changes: [
        created,
        change(5, "search", "stop", "why"),
        change(6, "search", "stopping", "why"),
      ],
      decisions: [decision("stop", code, "why")],
    });

  test("stopped by the search: rung, rank, threshold, competitors", () => {
    const reason = stop("below_threshold");
    assert.equal(
      reason.text,
      "Trial 3.7 was stopped by the search at rung 1 of bracket 0: it ranked 5 of 6 at step 3 with 0.41; " +
        "the best 2 could go on, the last of them with 0.62. It was compared with 3.1 (0.81), 3.3 (0.62).",
    );
    assert.deepEqual(
      [reason.code, reason.actor, reason.events],
      ["stopped_below_threshold", "search", [5]],
    );
    assert.equal(stop("rung_closed").code, "stopped_rung_closed");
    assert.equal(stop("straggler").code, "stopped_straggler");
    const finished = stop("reached_end", "finished");
    assert.equal(finished.code, "reached_end");
    assert.match(finished.text, /^Trial 3\.7 finished: it trained to step 3/);
  });

  test("one that failed before its last step was saved is nowhere said to have finished", () => {
    const cause = "it ended, before a checkpoint of step 3 was saved; max_restarts (0) are used up";
    const { reasons } = answerTrial(
      facts({
        ...{ state: "error", endReason: "user_error" },
        changes: [
          created,
          change(5, "search", "stop", "why"),
          change(6, "runner", "allocation ended: user_error", "it ended"),
          change(7, "contrail", "user_error", cause),
        ],
        decisions: [decision("stop", "reached_end", "why")],
        allocations: [allocation(1, { end: "user_error" })],
      }),
    );
    assert.equal(reasons[0]?.code, "failed_user_error");
    assert.match(reasons[0]?.text ?? "", /before a checkpoint of step 3 was saved/);
    const told = reasons.map(({ text }) => text);
    assert.ok(told.some((text) => text.startsWith("It trained to step 3, as far as this search")));
    assert.ok(!told.some((text) => text.includes("finished:")), told.join("\n"));
  });

  test("a threshold that nobody has, and a NaN, are said as what they are", () => {
    const { threshold: _, ...none } = { ...standing, objective: Number.NaN, passing: 0 };
    const reason = first({
      state: "waiting",
      changes: [change(5, "search", "pause", "why")],
      decisions: [{ ...decision("pause", "waiting_for_rung", "why"), standing: none }],
      rung: { step: 3, rank: 8, of: 8 },
    });
    assert.match(
      reason.text,
      /at step 3 with NaN; nobody could go on yet\. Now it ranks 8 of the 8/,
    );
    assert.deepEqual([reason.figures.objective, reason.figures.threshold], ["NaN", null]);
  });

  test("its result waits for others of a deterministic search: with its slots, and when they were given back", () => {
    const text = "Its result at step 3 is in. It counts after that of trial 2.";
    const granted = change(2, "scheduler", "granted cpu:0", "cpu:0 free, first in the queue");
    const held = change(5, "search", "held", text);
    const running = { state: "running", allocations: [allocation(1, { state: "running" })] };
    const still = first({ ...running, changes: [created, granted, held] });
    assert.deepEqual([still.code, still.text, still.events], ["waits_in_order", text, [5]]);
    const on = change(6, "search", "train", "why");
    const goesOn = first({
      ...running,
      changes: [created, granted, held, on],
      decisions: [decision("train", "promoted", "why")],
    });
    assert.equal(goesOn.code, "placed");
    const resting = change(7, "scheduler", "resting", "its slots are needed by others");
    const leaving = first({
      ...{ state: "pausing", changes: [created, granted, held, resting] },
      allocations: [allocation(1, { state: "running", ordersReason: resting.cause })],
    });
    assert.deepEqual([leaving.code, leaving.events], ["pausing", [7]]);
    const gone = first({ state: "waiting", changes: [created, granted, held, resting] });
    assert.equal(gone.code, "waits_in_order");
  });

  test("who failed on the way is said to have failed, not to have measured NaN", () => {
    const competitors = [
      { trial: 1, objective: Number.NaN },
      { trial: 3, objective: null },
    ];
    const reason = first({
      state: "waiting",
      changes: [change(5, "search", "pause", "why")],
      decisions: [
        { ...decision("pause", "waiting_for_rung", "why"), standing: { ...standing, competitors } },
      ],
    });
    assert.match(reason.text, /compared with 3\.1 \(NaN\), 3\.3 \(never came so far\)\./);
    assert.deepEqual(reason.figures.competitors, [
      { trial: 1, objective: "NaN" },
      { trial: 3, objective: null },
    ]);
  });

  test("queued: what the scheduler says of this moment", () => {
    const wait = { position: 2, waiting: 3, needs: 1 };
    const holders = [{ slot: "cpu:0", allocation: "3.1.1", since: at(88) }];
    const reason = (code: object) =>
      first({ wait: { ...wait, reason: code as never }, holders, changes: [created] });
    assert.equal(
      reason({ code: "no_free_slot", needed: 1, free: 0, total: 1, withheld: 0 }).text,
      "Trial 3.7 waits for slots: it needs 1, and 0 of 1 are free. It has place 2 of 3 in the queue. cpu:0 is held by 3.1.1 (for 12 s).",
    );
    const tooWide = reason({ code: "too_few_slots", needed: 4, total: 1 });
    assert.equal(tooWide.code, "waits_for_more_slots");
    assert.match(tooWide.text, /cannot start here: it needs 4 slots, and there is 1 in all\. What/);
    const nowhere = reason({ code: "no_pool", pool: "cluster", pools: ["default", "docker"] });
    assert.equal(nowhere.code, "waits_for_pool");
    assert.match(
      nowhere.text,
      /pool cluster is not one of this server's, which are: default, docker/,
    );
    assert.match(
      reason({ code: "behind", ahead: "2.1", aheadNeeds: 4 }).text,
      /behind 2\.1, which needs 4 slots/,
    );
    assert.match(
      reason({ code: "slots_max", max: 1, held: 1 }).text,
      /may hold 1 slot \(resources.max_slots\)/,
    );
    assert.equal(first({}).code, "about_to_start");
    assert.equal(first({ draining: true }).code, "server_stopping");
  });

  test("queued after a failure: which attempt is next, and what went wrong", () => {
    const failure = change(
      8,
      "contrail",
      "restarting",
      "its program ended with exit code 1; restart 2 of 5 from the beginning",
    );
    const reason = first({
      wait: { reason: { code: "backoff", untilMs: NOW + 1500 }, position: 1, waiting: 1, needs: 1 },
      changes: [created, failure],
      restarts: 2,
    });
    assert.match(
      reason.text,
      /waits 1\.5 s before the next attempt\. its program ended with exit code 1; restart 2 of 5/,
    );
    assert.deepEqual([reason.events, reason.figures.restart], [[8], 2]);
  });

  test("paused: by whom, or with its experiment, or from the start", () => {
    const paused = change(8, "ada", "paused", "paused by ada");
    const held = { byPerson: true, byExperiment: true };
    assert.match(
      first({ state: "paused", held, changes: [paused] }).text,
      /was paused by ada at 2026-11-23 11:58:28 UTC/,
    );
    const experiment = [change(0, "bob", "created", "submitted")];
    assert.match(
      first({ state: "paused", experimentChanges: experiment }).text,
      /submitted paused by bob and never activated/,
    );
    const later = [
      ...experiment,
      change(2, "bob", "active", "x"),
      change(9, "cyd", "paused", "paused by cyd"),
    ];
    assert.match(
      first({ state: "paused", experimentChanges: later }).text,
      /experiment 3 was paused by cyd/,
    );
  });

  test("what it was made from stands first, and what came of running it again last", () => {
    const { reasons } = answerTrial(
      facts({
        experimentChanges: [change(0, "bob", "created", "forked from trial 2.7 with lr changed")],
        changes: [
          change(3, "search", "create", "x"),
          change(9, "contrail", "verdict: identical", "2 checkpoints, bit for bit (by replay 5)"),
        ],
      }),
    );
    const texts = reasons.map(({ code, text }) => `${code}: ${text}`);
    assert.ok(
      texts.includes(
        "copied: Its experiment is forked from trial 2.7 with lr changed, submitted by bob.",
      ),
    );
    assert.ok(
      texts.includes(
        "judged: Run again from its record: identical, 2 checkpoints, bit for bit (by replay 5).",
      ),
    );
  });

  test("defaults of a pool make no copy of its experiment", () => {
    const cause = "submitted over the defaults of pool team";
    const { reasons } = answerTrial(
      facts({ experimentChanges: [change(0, "bob", "created", cause)] }),
    );
    assert.ok(!reasons.some(({ code }) => code === "copied"));
  });

  test("a pause of the experiment and its end stand in the history of the trials that lived then", () => {
    const texts = (more: Partial<TrialFacts>) =>
      answerTrial(facts(more)).reasons.map(({ code, text }) => `${code}: ${text}`);
    const granted = (seq: number) => change(seq, "scheduler", "granted cpu:0", "cpu:0 free");
    const lived = {
      state: "running",
      changes: [change(3, "search", "create", "x"), granted(4), granted(8)],
      experimentChanges: [
        change(1, "bob", "created", "submitted"),
        change(2, "bob", "active", "activated at submission"),
        change(5, "bob", "paused", "paused by bob"),
        change(7, "cyd", "active", "activated by cyd"),
      ],
    };
    const words = texts(lived)
      .slice(1)
      .filter((text) => !text.startsWith("placed"));
    assert.deepEqual(words, [
      "experiment_paused: Its experiment was paused by bob.",
      "activated: Its experiment was activated by cyd.",
    ]);
    const over = { ...lived, state: "error", endReason: "user_error", changes: [granted(4)] };
    assert.ok(!texts(over as never).some((text) => text.includes("Its experiment")));
  });

  test("pausing: the latest of those who asked, whoever paused before", () => {
    const reason = first({
      state: "pausing",
      changes: [
        change(3, "ada", "paused", "paused by ada"),
        change(4, "scheduler", "granted cpu:0", "cpu:0 free, first in the queue"),
      ],
      experimentChanges: [change(7, "bob", "paused", "paused by bob")],
      allocations: [
        allocation(2, {
          state: "running",
          yield: "pause",
          endedAt: null,
          ordersReason: "the experiment was paused by bob",
        }),
      ],
    });
    assert.deepEqual([reason.code, reason.actor, reason.events], ["pausing", "bob", [7]]);
  });

  test("what no rule knows is told as it is stored", () => {
    assert.equal(
      first({ state: "canceled", endReason: "experiment_ended" }).text,
      "Trial 3.7 is canceled: as stored.",
    );
    assert.equal(first({ state: "waiting" }).text, "Trial 3.7 is waiting: as stored.");
  });
});

describe("how it came there", () => {
  const grant = (seq: number, slots: string) =>
    change(seq, "scheduler", `granted ${slots}`, `${slots} free, first in the queue`);
  const story = facts({
    state: "running",
    changes: [
      created,
      grant(2, "cpu:0"),
      change(3, "runner", "allocation ended: node_lost", "its runner was lost"),
      grant(4, "cpu:1"),
      change(5, "search", "pause", "wait"),
      change(6, "runner", "allocation ended: paused", "it gave its slots back as asked"),
      change(7, "search", "train", "go on"),
      grant(9, "cpu:0"),
    ],
    decisions: [
      decision("create", "initial", created.cause),
      decision("pause", "waiting_for_rung", "wait"),
      decision("train", "promoted", "go on"),
    ],
    allocations: [
      allocation(1),
      allocation(2, { slots: ["cpu:1"] }),
      allocation(3, { restored: true, startStep: 3, state: "running", endedAt: null }),
    ],
  });

  test("each decision once, oldest first, what explains the state in front", () => {
    const { reasons } = answerTrial(story);
    assert.deepEqual(
      reasons.map(({ code, events }) => [code, events[0]]),
      [
        ["placed", 9],
        ["created", 1],
        ["placed", 2],
        ["node_lost", 3],
        ["placed", 4],
        ["waits_at_rung", 5],
        ["promoted", 7],
      ],
    );
    assert.equal(
      reasons[0]?.text,
      "Placed on cpu:0 as allocation 3.7.3: cpu:0 free, first in the queue. It had waited 2.0 s. It went on from its checkpoint at step 3.",
    );
    assert.match(
      reasons[4]?.text ?? "",
      /as allocation 3\.7\.2: .* waited 1\.0 s\. It began again at step 0/,
    );
  });

  test("a long one is shortened in its middle, and says so", () => {
    const many = Array.from({ length: 60 }, (_, i) =>
      change(10 + i, "contrail", "restarting", `restart ${i}`),
    );
    const { reasons } = answerTrial({ ...story, changes: [created, ...many] });
    assert.deepEqual([reasons[1]?.code, reasons[2]?.code], ["created", "left_out"]);
    assert.match(reasons[2]?.text ?? "", /^37 steps of its history are left out/);
    assert.equal(reasons.at(-1)?.text, "Retried: restart 59.");
  });
});
