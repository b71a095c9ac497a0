import assert from "node:assert/strict";
import { test } from "node:test";
import type { Experiment, ExperimentDecision, Rung, Trial } from "../../../src/protocol/api.ts";
import { bracketRows, rungsSentence } from "./rung-layout.ts";

const trial = (number: number, state: Trial["state"], step: number, bracket = 0) =>
  [`1.${number}`, { id: `1.${number}`, number, state, step, bracket } as Trial] as const;

const entry = (
  number: number,
  objective: Rung["entries"][number]["objective"],
  outcome: Rung["entries"][number]["outcome"],
) => ({ trial: `1.${number}`, objective, outcome });

const rungs: Rung[] = [
  {
    ...{ bracket: 0, rung: 0, step: 1, expected: 6 },
    entries: [
      entry(1, 0.1, "promoted"),
      entry(5, 0.15, "stopped"),
      entry(2, 0.2, "promoted"),
      entry(3, 0.3, "stopped"),
      entry(4, "NaN", "stopped"),
    ],
  },
  { ...{ bracket: 0, rung: 1, step: 3, expected: 2 }, entries: [entry(1, 0.05, "finished")] },
  { ...{ bracket: 1, rung: 1, step: 3, expected: 1 }, entries: [] },
];
const trials = new Map([
  trial(1, "completed", 3),
  trial(2, "running", 2),
  trial(3, "completed", 1),
  trial(4, "completed", 1),
  trial(5, "completed", 1),
  trial(6, "queued", 0),
  trial(7, "running", 1, 1),
]);
const decision = (at: string, of: number, passing: number) =>
  ({
    at,
    trial: "1.1",
    what: "pause",
    standing: { bracket: 0, rung: 0, of, passing },
  }) as ExperimentDecision;
const decisions = [
  decision("2026-01-01T00:00:03Z", 5, 2),
  decision("2026-01-01T00:00:01Z", 1, 1),
  { ...decision("2026-01-01T00:00:09Z", 9, 9), standing: null },
];
const experiment = {
  unit: "epochs",
  searcher: { metric: "loss", smaller_is_better: true },
} as Experiment;

test("flows join the places of one trial, the line stands where the last decision put it", () => {
  const [row, second] = bracketRows(rungs, trials, decisions);
  assert.deepEqual(row?.flows, [{ trial: "1.1", column: 0, from: 0, to: 0 }]);
  assert.deepEqual(row?.columns[0]?.line, { objective: 0.15, after: 2 });
  assert.deepEqual([row?.columns[0]?.early, row?.columns[0]?.late], [1, 1]);
  assert.equal(row?.columns[1]?.line, undefined);
  assert.deepEqual(
    second?.columns.map(({ step }) => step),
    [3],
  );
});

test("who is on the way stands between two rungs, as far as it has come", () => {
  const [row, second] = bracketRows(rungs, trials, decisions);
  assert.deepEqual(row?.travellers, [
    { trial: "1.2", state: "running", step: 2, column: 0, from: 2, share: 0.5 },
    { trial: "1.6", state: "queued", step: 0, column: -1, from: undefined, share: 0 },
  ]);
  assert.equal(second?.travellers[0]?.share, 1 / 3);
});

test("the sentence counts outcomes and names the line", () => {
  assert.equal(
    rungsSentence(bracketRows(rungs, trials, decisions), experiment),
    "5 trials reached the first rung in 2 brackets: 2 let on, 3 stopped, 1 trained to the end, 3 on the way. " +
      "In bracket 0 the line at 1 epoch lies at loss 0.15: 2 of 5 may go on. " +
      "1 below a line was let on when fewer had arrived. 1 above a line was stopped before it came to lie there.",
  );
  assert.equal(rungsSentence([], experiment), "");
});
