import assert from "node:assert/strict";
import { test } from "node:test";
import { slotUse } from "../../../src/analysis/slot-use.ts";
import { withoutStopping } from "../../../src/analysis/without-stopping.ts";
import type { Experiment, ProgressReply } from "../../../src/protocol/api.ts";
import { bestSentence, stragglers, timelineSentence } from "./sentences.ts";

const at = (second: number): string => new Date(second * 1000).toISOString();
const grant = (number: number, slot: string, from: number, to: number) => ({
  ...{ id: `1.${number}.1`, trial: `1.${number}`, slots: [slot] },
  ...{ created_at: at(from), ended_at: at(to) },
});

test("idle stretches and stragglers are told", () => {
  const grants = [
    ...[grant(1, "cpu:0", 0, 10), grant(2, "cpu:0", 10, 20), grant(3, "cpu:0", 20, 30)],
    ...[grant(4, "cpu:1", 0, 10), grant(5, "cpu:1", 25, 60)],
  ];
  const use = slotUse(grants, 0);
  assert.ok(use);
  const slow = stragglers(use);
  assert.deepEqual([...slow], ["1.5.1"]);
  assert.equal(
    timelineSentence(use, slow),
    "2 slots worked 63 % of 1 min for this experiment, in 5 spans. " +
      "The longest idle stretch was 30 s, on cpu:0. 1 span took at least 3 times as long as the middle one.",
  );
  const few = slotUse(grants.slice(0, 2), 0);
  assert.ok(few);
  assert.equal(stragglers(few).size, 0);
});

test("the best so far, and what it would have cost without early stopping", () => {
  const spent = { steps: 50, seconds: 100, slot_seconds: 180 };
  const experiment = { unit: "epochs", spent } as Experiment;
  const reply = {
    metric: "loss",
    total: 1,
    items: [{ at: at(10), trial: "1.2", step: 3, objective: 0.25, steps: 20, slot_seconds: 15 }],
  } as ProgressReply;
  assert.equal(
    bestSentence(experiment, reply, withoutStopping(spent, 200), 0),
    "The best loss so far, 0.25, came from trial 1.2 after 10 s, 20 epochs and 15 s of slots; 1 improvement in all. " +
      "Without early stopping the search would have trained 200 epochs instead of 50, 4 times as many; " +
      "at the measured pace in 6 min 40 s and 12 min of slots.",
  );
  const thinned = { ...reply, total: 2_000 };
  assert.match(bestSentence(experiment, thinned, undefined, 0), /; 2,000 improvements in all\.$/);
  assert.doesNotMatch(bestSentence(experiment, reply, undefined, 0), /Without/);
});
