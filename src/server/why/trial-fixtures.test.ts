/** A trial's facts for the tests of what is said of it. */
import assert from "node:assert/strict";
import type { AllocationFact, ChangeFact, TrialFacts } from "./facts.ts";
import { answerTrial } from "./trial-answer.ts";

export const NOW = Date.UTC(2026, 10, 23, 12);
export const at = (seconds: number): string =>
  new Date(NOW - 100_000 + seconds * 1000).toISOString();
export const change = (seq: number, actor: string, what: string, cause: string): ChangeFact => ({
  ...{ seq, actor, what, cause },
  at: at(seq),
});
export const allocation = (run: number, more: Partial<AllocationFact> = {}): AllocationFact => ({
  ...{ run, slots: ["cpu:0"], state: "ended", startStep: 0, restored: false, yield: null },
  ...{ kill: false, ordersReason: "free", end: "finished", exitCode: 0, signal: null },
  ...{
    signalsSent: [],
    outOfMemory: null,
    silentMs: null,
    reason: "over",
    createdAt: at(2),
    endedAt: at(9),
  },
  ...more,
});
export const facts = (more: Partial<TrialFacts>): TrialFacts => ({
  ...{ id: "3.7", experiment: 3, state: "queued", endReason: null, reason: "as stored" },
  engine: null,
  ...{ step: 3, target: 9, restarts: 0, maxRestarts: 5, checkpointStep: 3 },
  ...{ unit: "epochs", metric: "accuracy", smallerIsBetter: false },
  ...{
    held: { byPerson: false, byExperiment: false },
    wait: null,
    holders: [],
    silent: null,
    draining: false,
  },
  ...{ rung: null, lastLines: [], container: null, nodes: null, nowMs: NOW },
  ...{ changes: [], experimentChanges: [], decisions: [], allocations: [] },
  ...more,
});
export const created = change(1, "search", "create", "One of the first: 7 of 9 trials made.");
export const first = (more: Partial<TrialFacts>) => {
  const reason = answerTrial(facts(more)).reasons[0];
  assert.ok(reason);
  return reason;
};
