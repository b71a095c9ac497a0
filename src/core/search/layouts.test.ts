import assert from "node:assert/strict";
import { test } from "node:test";
import { mixedSpace, spaceOf } from "../space/space-fixtures.test.ts";
import { rungCounts } from "./adaptive-asha.ts";
import { asManyRungsAsFit, chooseMethod } from "./default-method.ts";
import { planSearch } from "./methods.ts";
import { preview } from "./preview.ts";
import { rungSteps, rungsThatFit } from "./rung-steps.ts";
import type { MethodSpec } from "./search.ts";
import { specOf } from "./search-fixtures.test.ts";

const brackets = (method: MethodSpec): string[] =>
  planSearch(specOf(method)).brackets.map((b) => `${b.steps.length}/${b.trials}/${b.share}`);
const adaptive = (
  trialsMax: number,
  stepsMax: number,
  over: Partial<Extract<MethodSpec, { name: "adaptive_asha" }>> = {},
): MethodSpec => ({
  name: "adaptive_asha",
  form: "promoting",
  mode: "standard",
  divisor: 4,
  rungsMax: 5,
  bracketRungs: [],
  concurrentMax: 16,
  trialsMax,
  stepsMax,
  ...over,
});

test("the rungs that users know, without the repeated ones", () => {
  assert.deepEqual(rungSteps(900, 3, 3), [100, 300, 900]);
  assert.deepEqual(rungSteps(1000, 4, 5), [3, 15, 62, 250, 1000]);
  assert.deepEqual(rungSteps(2, 4, 3), [1, 2]);
  assert.deepEqual(rungSteps(10, 2.5, 3), [1, 4, 10]);
});

test("no rung is lost to a rounded logarithm", () => {
  const table = [
    [1000, 10, 4],
    [10 ** 6, 10, 7],
    [9 ** 5, 9, 6],
    [14 ** 5, 14, 6],
    [999, 10, 3],
    [1, 2, 1],
    [2, 2, 2],
    [7, 8, 1],
  ] as const;
  for (const [limit, divisor, rungs] of table) assert.equal(rungsThatFit(limit, divisor), rungs);
});

test("brackets of adaptive_asha by the rule that users know: rungs/trials/places", () => {
  assert.deepEqual(brackets(adaptive(16, 64)), ["3/12/8", "2/4/8"]);
  assert.deepEqual(brackets(adaptive(500, 1000)), ["5/354/6", "4/110/5", "3/36/5"]);
  assert.deepEqual(brackets(adaptive(16, 64, { concurrentMax: 0 })), ["3/12/4", "2/4/4"]);
  assert.deepEqual(
    [rungCounts("conservative", 4), rungCounts("standard", 4), rungCounts("aggressive", 4)],
    [[4, 3, 2, 1], [4, 3, 2], [4]],
  );
});

test("brackets never add up to more than max_trials; the least early stopping is dropped first", () => {
  assert.deepEqual(brackets(adaptive(2, 64, { bracketRungs: [1, 2, 3] })), ["3/1/8", "2/1/8"]);
  assert.deepEqual(brackets(adaptive(1, 64, { bracketRungs: [2, 2] })), ["2/1/16"]);
  for (let trials = 1; trials <= 60; trials++)
    for (const divisor of [1.01, 2, 4])
      for (const bracketRungs of [[], [1, 1, 1, 1], [5, 4, 3, 2, 1], [64]]) {
        const plan = planSearch(specOf(adaptive(trials, 100, { divisor, bracketRungs })));
        assert.equal(
          plan.brackets.reduce((sum, b) => sum + b.trials, 0),
          trials,
        );
      }
});

test("places are never more than max_concurrent_trials, also with more brackets than places", () => {
  const plan = planSearch(
    specOf(adaptive(60, 100, { bracketRungs: [4, 3, 2, 1], concurrentMax: 2 })),
  );
  assert.deepEqual(
    plan.brackets.map((b) => b.share),
    [1, 1, 0, 0],
  );
  assert.equal(plan.concurrentMax, 2);
});

test("hyperband's brackets for R = 81 and divisor 3 are those of the paper's table", () => {
  const method: MethodSpec = {
    name: "hyperband",
    divisor: 3,
    stepsMax: 81,
    trialsMax: 143,
    stragglerFactor: 0,
    concurrentMax: 0,
  };
  const view = preview(specOf(method));
  const table = view.brackets.map((b) => b.rungs.map((r) => [r.trials, r.step]));
  assert.deepEqual(table, [
    [
      [81, 1],
      [27, 3],
      [9, 9],
      [3, 27],
      [1, 81],
    ],
    [
      [34, 3],
      [11, 9],
      [3, 27],
      [1, 81],
    ],
    [
      [15, 9],
      [5, 27],
      [1, 81],
    ],
    [
      [8, 27],
      [2, 81],
    ],
    [[5, 81]],
  ]);
  assert.equal(view.trialsMax, 143);
  const cut = planSearch(specOf({ ...method, trialsMax: 100 })).brackets.map((b) => b.trials);
  assert.deepEqual(cut, [81, 19]);
  const more = planSearch(specOf({ ...method, trialsMax: 150 })).brackets.map((b) => b.trials);
  assert.deepEqual(more, [81, 34, 15, 8, 5, 7]);
});

test("hyperband can be planned whatever the number of its brackets", () => {
  const method: MethodSpec = {
    name: "hyperband",
    divisor: 3,
    stepsMax: 3,
    trialsMax: 400_000,
    stragglerFactor: 0,
    concurrentMax: 0,
  };
  const plan = planSearch(specOf(method));
  assert.deepEqual([plan.brackets.length, plan.concurrentMax], [160_000, 3]);
});

test("asha takes divisor^(rungs-1) places by itself, within max_trials", () => {
  const asha: MethodSpec = {
    name: "asha",
    form: "promoting",
    trialsMax: 100,
    divisor: 3,
    rungs: 4,
    stepsMax: 81,
    concurrentMax: 0,
  };
  assert.equal(planSearch(specOf(asha)).concurrentMax, 27);
  assert.equal(planSearch(specOf({ ...asha, trialsMax: 5 })).concurrentMax, 5);
  assert.equal(planSearch(specOf({ ...asha, concurrentMax: 3 })).concurrentMax, 3);
});

test("the plan of a search, in steps", () => {
  const asha: MethodSpec = {
    name: "asha",
    form: "promoting",
    trialsMax: 27,
    divisor: 3,
    rungs: 3,
    stepsMax: 9,
    concurrentMax: 4,
  };
  const view = preview(specOf(asha));
  assert.deepEqual(
    view.brackets[0]?.rungs.map((r) => r.trials),
    [27, 9, 3],
  );
  assert.equal(view.stepsExpected, 27 * 1 + 9 * 2 + 3 * 6);
  assert.equal(view.stepsMin, view.stepsExpected);
  assert.equal(view.stepsMax, 27 * 1 + 25 * 2 + 23 * 6);
  assert.equal(view.stepsWithoutEarlyStopping, 243);
  const stopping = preview(specOf({ ...asha, form: "stopping" }));
  assert.equal(stopping.stepsMin, 27 + 2 + 6);
  assert.equal(stopping.stepsMax, 243);
  const going = preview(specOf({ ...asha, stepsMax: 90 }, { startStep: 5 }));
  assert.equal(going.stepsMin, 27 * (10 - 5) + 9 * 20 + 3 * 60, "steps count on from a checkpoint");
  assert.equal(going.stepsWithoutEarlyStopping, 27 * (90 - 5));
  const random = preview(specOf({ name: "random", trialsMax: 5, stepsMax: 9, concurrentMax: 0 }));
  assert.deepEqual(
    [random.stepsMin, random.stepsMax, random.stepsWithoutEarlyStopping],
    [45, 45, 45],
  );
});

test("where no searcher is named the default is asha with all the rungs that fit, and says why", () => {
  const { method, reason } = chooseMethod({ space: mixedSpace, stepsMax: 9, trialsMax: 27 });
  assert.deepEqual(method, {
    name: "asha",
    form: "promoting",
    trialsMax: 27,
    divisor: 3,
    rungs: 3,
    stepsMax: 9,
    concurrentMax: 16,
  });
  assert.match(reason, /No searcher was named.*promoting.*divisor 3.*27 trials.*steps 1, 3 of 9/);
  assert.equal(asManyRungsAsFit({ stepsMax: 9, trialsMax: 8, divisor: 3 }), 2);
});

test("the default's number of trials grows with the length; nothing needs to be set", () => {
  const trials = (stepsMax: number) => {
    const { method } = chooseMethod({ space: mixedSpace, stepsMax });
    return method.name === "asha" ? [method.trialsMax, method.rungs] : [];
  };
  assert.deepEqual([1, 3, 9, 27, 81, 10_000].map(trials), [
    [27, 1],
    [27, 2],
    [27, 3],
    [81, 4],
    [243, 5],
    [243, 6],
  ]);
  assert.match(chooseMethod({ space: mixedSpace, stepsMax: 1 }).reason, /too few steps/);
  assert.match(
    chooseMethod({ space: mixedSpace, stepsMax: 9, trialsMax: 2 }).reason,
    /too few trials/,
  );
});

test("a space with one choice gets a single trial, and the reason", () => {
  const { method, reason } = chooseMethod({
    space: spaceOf({ a: { type: "const", value: 1 } }),
    stepsMax: 5,
  });
  assert.equal(method.name, "single");
  assert.match(reason, /only one choice/);
});
