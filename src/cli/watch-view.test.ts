import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { StreamEvent } from "../protocol/api.ts";
import { COLOUR_PAINT, NO_PAINT } from "./paint.ts";
import { anExperiment, aTrial, someRungs } from "./test-things.ts";
import {
  compareObjective,
  NOTHING_YET,
  rungTable,
  stepOf,
  visibleColumns,
  type WatchLook,
  watchLines,
  watchStep,
  watchSummary,
} from "./watch-view.ts";

const NOW = Date.parse("2026-11-23T09:00:20.000Z");
const look: WatchLook = { width: 100, height: 40, nowMs: NOW, paint: NO_PAINT, slots: 2 };

const trials = [
  aTrial({
    id: "3.1",
    number: 1,
    state: "completed",
    step: 1,
    target: 1,
    best: { step: 1, objective: "NaN" },
  }),
  aTrial(),
  aTrial({
    id: "3.3",
    number: 3,
    state: "waiting",
    step: 1,
    target: 1,
    best: { step: 1, objective: 0.25 },
  }),
  aTrial({ id: "3.4", number: 4, state: "running", step: 0, best: null, objective: null }),
  aTrial({
    id: "3.5",
    number: 5,
    state: "queued",
    step: 0,
    best: null,
    reason: "needs 1 slot; 0 of 2 are free",
  }),
];
const events: StreamEvent[] = [
  { event: "trials", data: trials },
  { event: "rungs", data: someRungs },
  { event: "experiment", data: anExperiment() },
];
const state = events.reduce(watchStep, NOTHING_YET);

test("trials in place of impossible ones stand apart from those that the limit counts", () => {
  const trials = { ...anExperiment().trials, total: 11, replacements: 2 };
  const experiment = anExperiment({ trials });
  const shown = watchLines({ ...state, experiment }, look).join("\n");
  assert.match(shown, /trials 9 of at most 9, 2 more in place of impossible ones: /);
});

test("the whole view of a search at work", () => {
  assert.deepEqual(watchLines(state, look), [
    "experiment 3  digits  active",
    "asha on accuracy, larger is better",
    "█████████████░░░░░░░░░░░░░░░░░░░  42 %  20 s, about 28 s left",
    "trials 5 of at most 9: 2 running, 1 queued, 1 paused, 1 ended",
    "epochs 14 of at most 45 · slots 2 of 2",
    "",
    "rungs",
    "rung  epochs  came  promoted  waiting  stopped  done  accuracy  best trial",
    "   0       1   3/9         1        1        1     ·    0.5000  3.2",
    "   1       3   1/3         ·        1        ·     ·    0.8125  3.2",
    "",
    "best so far",
    "trial  state      accuracy  epochs  hyperparameters",
    "3.2    running      0.8125     4/9  lr=0.0123 optimizer.momentum=0.9 optimizer.name=sgd",
    "3.3    waiting      0.2500     1/1  lr=0.0123 optimizer.momentum=0.9 optimizer.name=sgd",
    "3.1    completed       NaN     1/1  lr=0.0123 optimizer.momentum=0.9 optimizer.name=sgd",
    "",
    "3.5 waits: needs 1 slot; 0 of 2 are free",
  ]);
});

test("who failed or was ended before a report did not come to a rung", () => {
  const entry = (trial: string, objective: number | "NaN", outcome: "failed" | "stopped") => ({
    trial,
    objective,
    outcome,
  });
  const rung = { bracket: 0, rung: 0, step: 1, expected: 3 };
  const none = { ...rung, entries: [entry("3.1", "NaN", "failed"), entry("3.2", "NaN", "failed")] };
  const some = { ...none, entries: [...none.entries, entry("3.3", 7.17e-5, "stopped")] };
  const rows = (entries: typeof none): string[] | undefined =>
    rungTable([entries], { metric: "loss", smallerIsBetter: true, unit: "epochs" }, look)[1]
      ?.trim()
      .split(/\s+/);
  assert.deepEqual(rows(none), ["0", "1", "0/3", "·", "·", "·", "·", "2", "·", "·"]);
  assert.deepEqual(rows(some), ["0", "1", "1/3", "·", "·", "1", "·", "2", "7.17e-5", "3.3"]);
});

test("80 columns hold the rungs of several brackets, and a number is never cut", () => {
  const rungs = [0, 1].map((bracket) => ({
    bracket,
    rung: 0,
    step: 100,
    expected: 27,
    entries: [
      { trial: "12.101", objective: 0.0000717, outcome: "promoted" as const },
      { trial: "12.102", objective: "NaN" as const, outcome: "failed" as const },
    ],
  }));
  const measure = { metric: "validation_loss_of_all", smallerIsBetter: true, unit: "epochs" };
  const lines = rungTable(rungs, measure, { ...look, width: 79 });
  for (const line of lines) assert.ok(visibleColumns(line) <= 79, line);
  assert.match(lines[1] ?? "", / 7\.17e-5 /);
});

test("the time left is not guessed at the end, nor when the pace is not known", () => {
  const at = (progress: number, more: object = {}): string =>
    watchLines(watchStep(state, { event: "experiment", data: anExperiment({ progress }) }), {
      ...look,
      ...more,
    })[2] ?? "";
  assert.match(at(0.5), /left/);
  assert.doesNotMatch(at(0.97), /left/);
  assert.doesNotMatch(at(0.5, { paceKnown: false }), /left/);
  assert.doesNotMatch(at(0.5, { trouble: "away" }), /left/);
});

test("a single run without a metric is judged by nothing, and without a length it has none", () => {
  const single = { name: "single", metric: "", smaller_is_better: true, reason: "" };
  const data = anExperiment({ searcher: single });
  assert.equal(watchLines(watchStep(state, { event: "experiment", data }), look)[1], "single");
  const endless = Number.MAX_SAFE_INTEGER;
  assert.equal(stepOf({ step: 4, target: endless }), 4);
  const [rung] = someRungs;
  const measure = { metric: "loss", smallerIsBetter: true, unit: "steps" };
  const [, row] = rungTable([{ ...rung!, step: endless }], measure, look);
  assert.match(row ?? "", /^ +0 +- /);
  assert.deepEqual(rungTable(someRungs, { ...measure, metric: "" }, look), []);
});

test("the same in one line", () => {
  assert.equal(
    watchSummary(state, NOW),
    "experiment 3 active: 42 % · 5 trials (2 running, 1 queued, 1 paused, 1 ended) · epochs 14 of at most 45 · best accuracy 0.8125 (trial 3.2 after 3 epochs) · 20 s, about 28 s left",
  );
  const { experiment } = state;
  const long = {
    ...experiment!,
    spent: { ...experiment!.spent, steps: 2051 },
    plan: { ...experiment!.plan, steps_max: 4500 },
  };
  assert.match(watchSummary({ ...state, experiment: long }, NOW), /epochs 2,051 of at most 4,500/);
});

test("nothing known yet, over, and in trouble", () => {
  assert.deepEqual(watchLines(NOTHING_YET, look), ["connecting …"]);
  const end = anExperiment({
    state: "completed",
    reason: "All trials are over.",
    ended_at: "2026-11-23T09:00:15.000Z",
    progress: 1,
  });
  const over = watchStep(state, { event: "end", data: end });
  assert.equal(over.over, true);
  assert.equal(watchLines(over, look).at(-1), "completed: All trials are over.");
  assert.match(watchLines(over, look)[2] ?? "", /100 % {2}took 15 s/);
  assert.equal(
    watchLines(state, { ...look, trouble: "the server is away" }).at(-1),
    "the server is away",
  );
});

test("no view is wider or higher than the terminal, however small that is", () => {
  const many = Array.from({ length: 60 }, (_, i) =>
    aTrial({ id: `3.${i}`, number: i, best: { step: 1, objective: i / 60 } }),
  );
  const rungs = Array.from({ length: 15 }, (_, i) => ({
    ...someRungs[0]!,
    bracket: i % 3,
    rung: i,
  }));
  const crowded = [
    { event: "trials", data: many },
    { event: "rungs", data: rungs },
    { event: "experiment", data: anExperiment({ name: "\x1b[31m中".repeat(30) }) },
  ] satisfies StreamEvent[];
  const full = crowded.reduce(watchStep, NOTHING_YET);
  fc.assert(
    fc.property(
      fc.integer({ min: 30, max: 200 }),
      fc.integer({ min: 6, max: 60 }),
      fc.boolean(),
      (width, height, colour) => {
        const lines = watchLines(full, {
          ...look,
          width,
          height,
          paint: colour ? COLOUR_PAINT : NO_PAINT,
        });
        assert.ok(lines.length <= height, `${lines.length} lines of ${height}`);
        for (const line of lines) assert.ok(visibleColumns(line) <= width, line);
      },
    ),
    { seed: 3, numRuns: 100 },
  );
});

test("a name from elsewhere cannot draw", () => {
  const evil = watchStep(state, {
    event: "experiment",
    data: anExperiment({
      name: "a\x1b[2J\r\nb",
      searcher: { name: "asha", metric: "m\x07", smaller_is_better: true, reason: "" },
    }),
  });
  const text = watchLines(evil, look).join("\n");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is asserted
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f]/);
  assert.match(text, /a\\x1b\[2J\\r\\nb/);
});

test("objectives: best first by direction, NaN and nothing last in both", () => {
  const sorted = (smaller: boolean): unknown[] =>
    [0.5, "NaN", 2, "-Infinity", undefined, -1].toSorted((a, b) => compareObjective(a, b, smaller));
  assert.deepEqual(sorted(true), ["-Infinity", -1, 0.5, 2, "NaN", undefined]);
  assert.deepEqual(sorted(false), [2, 0.5, -1, "-Infinity", "NaN", undefined]);
});

test("an event heard twice changes nothing", () => {
  for (const event of events)
    assert.deepEqual(watchStep(watchStep(state, event), event), watchStep(state, event));
});
