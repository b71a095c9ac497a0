import assert from "node:assert/strict";
import { test } from "node:test";
import type { CurvesReply } from "../../../src/protocol/api.ts";
import { curvesSentence } from "./curves-sentence.ts";

const reply = (items: CurvesReply["items"], smaller = true): CurvesReply => ({
  ...{ experiment: 1, metric: "loss", unit: "epochs", smaller_is_better: smaller },
  ...{ trials_total: items.length, items },
});

test("the best, the number and the length, with what cannot be drawn", () => {
  const items: CurvesReply["items"] = [
    {
      trial: "1.1",
      state: "running",
      points: [
        [1, 0.5],
        [3, 0.25],
      ],
    },
    {
      trial: "1.2",
      state: "running",
      points: [
        [1, "NaN"],
        [2, 0.75],
      ],
    },
    { trial: "1.3", state: "queued", points: [] },
  ];
  assert.equal(
    curvesSentence(reply(items)),
    "The lowest loss on these curves is 0.25, by trial 1.1 after 3 epochs; 2 trials drawn, " +
      "the longest 3 epochs long. 1 value (NaN or infinite) cannot be drawn.",
  );
  assert.match(
    curvesSentence(reply(items, false)),
    /^The highest loss .* 0\.75, by trial 1\.2 after 2 epochs;/,
  );
});

test("nothing finite", () => {
  assert.equal(
    curvesSentence(reply([{ trial: "1.1", state: "running", points: [[1, "Infinity"]] }])),
    "No trial has reported a finite value yet.",
  );
});
