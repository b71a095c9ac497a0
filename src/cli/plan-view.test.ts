import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_PAINT } from "./paint.ts";
import { planLines, savedByStopping, savedLine } from "./plan-view.ts";
import { anExperiment, aPlan } from "./test-things.ts";

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

test("trials at a time: no more than slots, search and number of trials let", () => {
  const look = { paint: NO_PAINT, width: 80 };
  for (const [over, words] of [
    [{ slots: 2, concurrent_max: 1 }, "2 slots here: at most 1 trial at a time"],
    [{ slots: 2, concurrent_max: 16 }, "2 slots here: at most 2 trials at a time"],
    [{ slots: 4, trials_max: 1 }, "4 slots here: at most 1 trial at a time"],
    [{ slots: 4, slots_per_trial: 2 }, "4 slots here: at most 2 trials at a time"],
  ] as const) {
    const lines = planLines({ ...aPlan, ...over }, "", "epochs", look);
    assert.ok(lines.at(-1)?.endsWith(words), lines.at(-1));
  }
  const assumed = planLines(aPlan, "", "epochs", { ...look, slots: "(--slots)" });
  assert.match(assumed.at(-1) ?? "", /2 slots \(--slots\): /);
});
