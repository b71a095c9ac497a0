import assert from "node:assert/strict";
import { test } from "node:test";
import { stringifyExact } from "../base/json.ts";
import { UNBOUNDED_STEPS } from "../core/search/search.ts";
import type { TrialRow } from "../store/schema.ts";
import { logView, rungView, standingView, trialDetailView, trialView } from "./views.ts";

const AT = new Date(0);
const NO_VERDICTS = { ofTrial: () => null };
const ROW = {
  experiment_id: 3,
  number: 2,
  state: "completed",
  reason: "done",
  end_reason: "finished",
  core: { checkpoint: null },
  restarts: 1,
  slot_ms: 1500,
  objective: Number.NaN,
  best_step: null,
  best_objective: null,
  created_at: AT,
  started_at: null,
  ended_at: AT,
} as unknown as TrialRow;

test("a standing with values that JSON has no numbers for comes back from the database as it was", () => {
  const standing = {
    bracket: 0,
    rung: 1,
    step: 3,
    objective: Number.NaN,
    rank: 2,
    of: 2,
    passing: 1,
    threshold: Number.POSITIVE_INFINITY,
    competitors: [{ trial: 7, objective: Number.NEGATIVE_INFINITY }],
  };
  const stored = JSON.parse(stringifyExact(standing));
  const decision = {
    at: AT,
    what: "stop" as const,
    target: null,
    code: "rung_closed",
    text: "no",
    standing: stored,
  };
  const detail = trialDetailView(
    ROW,
    { allocations: [], decisions: [decision], metricNames: [] },
    { verdicts: NO_VERDICTS, lastLines: [] },
  );
  const shown = detail.decisions[0]?.standing;
  assert.deepEqual(shown, standingView(3, standing));
  assert.deepEqual(
    [shown?.objective, shown?.threshold, shown?.competitors],
    ["NaN", "Infinity", [{ trial: "3.7", objective: "-Infinity" }]],
  );
  assert.deepEqual([detail.id, detail.objective, detail.slot_seconds], ["3.2", "NaN", 1.5]);
});

test("the time of a running allocation counts for its trial while it runs", () => {
  const core = { checkpoint: null, allocation: { sinceMs: 10_000 } };
  const row = { ...ROW, core } as unknown as TrialRow;
  const meter = { nowMs: 12_500, slotsPerTrial: 2 };
  assert.equal(trialView(row, NO_VERDICTS, undefined, meter).slot_seconds, 6.5);
  assert.equal(trialView(row, NO_VERDICTS, undefined, { ...meter, nowMs: 9000 }).slot_seconds, 1.5);
  assert.equal(trialView(row, NO_VERDICTS).slot_seconds, 1.5);
  Object.assign(core.allocation, { queued: true });
  assert.equal(trialView(row, NO_VERDICTS, undefined, meter).slot_seconds, 1.5, "its job waits");
});

test("a rung without a step and a trial that never came to it show neither number nor NaN", () => {
  const entries = [{ trial: 2, objective: null, outcome: "failed" as const }];
  const view = rungView(3, { bracket: 0, rung: 0, step: UNBOUNDED_STEPS, expected: 1, entries });
  assert.deepEqual([view.step, view.entries[0]?.objective], [null, null]);
});

test("output that is not UTF-8 is shown as well as can be, with its bytes beside it", () => {
  const row = { allocation_id: 1, seq: 2, trial_number: 4, run: 1, at: AT, rank: 0, stream: 1 };
  const view = (bytes: Buffer) => logView(3, { ...row, complete: true, bytes } as never);
  assert.equal(view(Buffer.from("héllo")).text, "héllo");
  assert.equal("bytes" in view(Buffer.from("héllo")), false);
  const broken = Buffer.from([0x61, 0xff, 0x00]);
  assert.equal(view(broken).bytes, broken.toString("base64"));
});
