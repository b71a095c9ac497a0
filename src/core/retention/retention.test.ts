import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CheckpointFacts,
  type HoldReason,
  type KeepReason,
  planRetention,
  type RetentionPolicy,
  type TrialFacts,
} from "./retention.ts";

const DEFAULTS: RetentionPolicy = { experimentBest: 0, trialBest: 1, trialLatest: 1 };

/** `1@3` is trial 1 at step 3 in run 1; `1@3/2` in run 2. */
function saved(name: string, objective: number | null): CheckpointFacts {
  const [trial, step, run = 1] = name.split(/[@/]/).map(Number) as [number, number, number?];
  return { trial, step, run, objective, tree: `tree of ${name}`, savedAtMs: step };
}

interface Case {
  readonly policy?: RetentionPolicy | null;
  readonly larger?: true;
  readonly trials?: readonly (readonly [number, Partial<TrialFacts>])[];
  readonly holds?: readonly (readonly [string, HoldReason])[];
  readonly saved: readonly (readonly [string, number | null])[];
}

/** @returns name → reasons, of those that stay */
function kept(of: Case): Record<string, readonly KeepReason[]> {
  const verdicts = planRetention({
    policy: of.policy === undefined ? DEFAULTS : of.policy,
    smallerIsBetter: of.larger !== true,
    trials: new Map(
      (of.trials ?? []).map(([number, facts]) => [
        number,
        { isOver: true, checkpoint: null, restored: null, ...facts },
      ]),
    ),
    checkpoints: of.saved.map(([name, objective]) => saved(name, objective)),
    holds: new Map((of.holds ?? []).map(([name, reason]) => [`tree of ${name}`, [reason]])),
  });
  return Object.fromEntries(
    verdicts.flatMap(({ keep }, i) => (keep.length > 0 ? [[of.saved[i]?.[0], keep]] : [])),
  );
}

const at = (name: string) => ({ step: Number(name.split("@")[1]), tree: `tree of ${name}` });

test("by default each trial keeps its best and its latest", () => {
  const of: Case = {
    saved: [
      ["1@1", 0.5],
      ["1@2", 0.2],
      ["1@3", 0.9],
      ["2@1", 0.1],
      ["2@2", null],
    ],
  };
  assert.deepEqual(kept(of), {
    "1@2": ["trial_best"],
    "1@3": ["trial_latest"],
    "2@1": ["trial_best"],
    "2@2": ["trial_latest"],
  });
  assert.deepEqual(Object.keys(kept({ ...of, larger: true })), ["1@3", "2@1", "2@2"]);
});

test("the best of the experiment are ranked over all trials, equal ones by the fewer steps", () => {
  const policy = { experimentBest: 2, trialBest: 0, trialLatest: 0 };
  const rows = [
    ["1@4", 0.1],
    ["2@3", 0.1],
    ["3@3", 0.1],
    ["3@1", 0.5],
  ] as const;
  assert.deepEqual(kept({ policy, saved: rows }), {
    "2@3": ["experiment_best"],
    "3@3": ["experiment_best"],
  });
});

test("without a metric each trial keeps its own latest, never one for all together", () => {
  const rows = [
    ["1@1", null],
    ["1@2", null],
    ["2@9", null],
  ] as const;
  assert.deepEqual(Object.keys(kept({ saved: rows })), ["1@2", "2@9"]);
});

test("NaN and infinities are never the best; they can be the latest", () => {
  const rows = [
    ["1@1", Number.NaN],
    ["1@2", Number.NEGATIVE_INFINITY],
    ["1@3", 7],
    ["1@4", Number.NaN],
  ] as const;
  assert.deepEqual(kept({ saved: rows }), { "1@3": ["trial_best"], "1@4": ["trial_latest"] });
  const none = { experimentBest: 3, trialBest: 3, trialLatest: 0 };
  assert.deepEqual(Object.keys(kept({ policy: none, saved: rows })), ["1@3"]);
});

test("what a trial that is not over goes on from stays under any policy", () => {
  const policy = { experimentBest: 0, trialBest: 0, trialLatest: 0 };
  const rows = [
    ["1@1", 0.5],
    ["1@2", 0.4],
  ] as const;
  const checkpoint = at("1@2");
  assert.deepEqual(
    kept({ policy, saved: rows, trials: [[1, { isOver: false, checkpoint }]] }),
    { "1@2": ["trial_not_over"] },
    "waiting at a rung, paused, queued or running: the same",
  );
  assert.deepEqual(kept({ policy, saved: rows, trials: [[1, { checkpoint }]] }), {});
});

test("what a running allocation was started from stays until it ends", () => {
  const policy = { experimentBest: 0, trialBest: 0, trialLatest: 0 };
  const rows = [
    ["1@1", 0.5],
    ["1@2", 0.4],
  ] as const;
  const facts = { isOver: false, checkpoint: at("1@2"), restored: at("1@1") };
  assert.deepEqual(kept({ policy, saved: rows, trials: [[1, facts]] }), {
    "1@1": ["live_allocation"],
    "1@2": ["trial_not_over"],
  });
});

test("what somebody holds stays, and is ranked like any other", () => {
  const rows = [
    ["1@1", 0.1],
    ["1@2", 0.2],
    ["1@3", 0.3],
  ] as const;
  for (const reason of ["pinned", "source", "registered"] as const)
    assert.deepEqual(kept({ saved: rows, holds: [["1@1", reason]] }), {
      "1@1": [reason, "trial_best"],
      "1@3": ["trial_latest"],
    });
});

test("without a policy everything stays", () => {
  assert.deepEqual(kept({ policy: null, saved: [["1@1", null]] }), { "1@1": ["no_policy"] });
});

test("the latest is what its trial stands at, not what a replaced run left at a later step", () => {
  const rows = [
    ["1@9", null],
    ["1@4/2", null],
  ] as const;
  const checkpoint = { step: 4, tree: "tree of 1@4/2" };
  assert.deepEqual(Object.keys(kept({ saved: rows, trials: [[1, { checkpoint }]] })), ["1@4/2"]);
  assert.deepEqual(Object.keys(kept({ saved: rows })), ["1@9"]);
});

test("of two saves of one step the later counts", () => {
  const [a, b] = [saved("1@3", 0.5), { ...saved("1@3", 0.5), tree: "other", savedAtMs: 99 }];
  const verdicts = planRetention({
    ...{ policy: DEFAULTS, smallerIsBetter: true, trials: new Map(), holds: new Map() },
    checkpoints: [a, b],
  });
  assert.deepEqual(
    verdicts.map(({ keep }) => keep),
    [[], ["trial_best", "trial_latest"]],
  );
});
