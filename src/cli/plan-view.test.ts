import assert from "node:assert/strict";
import { test } from "node:test";
import { savedByStopping, savedLine } from "./plan-view.ts";
import { anExperiment } from "./test-things.ts";

const none = { queued: 0, running: 0, paused: 0, canceled: 0, error: 0, replacements: 0 };
const whole = { ...none, total: 9, completed: 9 };

test("only a search that came to its own end has saved something", () => {
  const cases = [
    [
      { state: "completed", reason: "All trials are over.", trials: whole },
      /early stopping saved 67/,
    ],
    [
      { state: "completed", reason: "budget reached: 14 of 14 steps", trials: whole },
      /14 epochs trained before its budget ended it/,
    ],
    [{ state: "canceled", trials: whole }, /14 epochs trained before it was canceled/],
    [{ state: "error", trials: whole }, /14 epochs trained before it failed/],
    [{ state: "active", trials: whole }, /14 epochs trained so far/],
    [
      { state: "completed", reason: "over", trials: { ...whole, completed: 8, error: 1 } },
      /1 trial that failed/,
    ],
  ] as const;
  for (const [over, line] of cases) {
    const experiment = anExperiment(over);
    assert.match(savedLine(experiment), line);
    assert.equal(savedByStopping(experiment) !== null, /saved/.test(savedLine(experiment)));
  }
});
