/** Experiments that a person, a budget or Contrail ends: what their searches are told of it, and what the rungs show. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { searchRungs } from "../search/methods.ts";
import { ashaSearch, Play, specWith, YIELDED } from "./lifecycle-fixtures.test.ts";

test("canceling: the search hears of the ends, and what it answers is not taken for a decision", () => {
  const play = new Play(specWith(ashaSearch(9)));
  assert.ok(play.x.trials.size < 9, "there would be others to make");
  const { searchLog, decisions } = play.user("cancel");
  assert.equal(searchLog.length, 1 + play.x.trials.size);
  assert.deepEqual(decisions, []);
  assert.equal(play.x.core.run, "canceled");
});

test("whoever else ends an experiment, its rungs show what happened, and no promotion that did not", () => {
  const failed = (trial: number, objective: number | null) => ({
    ...{ trial, objective, outcome: "failed" },
  });
  for (const deterministic of [false, true]) {
    const spec = specWith(ashaSearch(9));
    const search = deterministic ? { ...spec.search, deterministic: true as const } : spec.search;
    const play = new Play({ ...spec, search });
    for (const trial of [1, 2]) {
      play.run(trial).report(3, trial, trial);
      play.exit(YIELDED, trial);
    }
    play.run(3);
    const { searchLog } = play.user("cancel");
    assert.deepEqual(searchLog[0], { event: { type: "end" }, actions: [] });
    play.exit(YIELDED, 3);
    const [low, top] = searchRungs(play.x.spec.search, play.x.search);
    assert.deepEqual(low?.entries.slice(0, 3), [failed(1, 1), failed(2, 2), failed(3, null)]);
    assert.ok(low?.entries.every(({ outcome }) => outcome === "failed"));
    assert.deepEqual(top?.entries, []);
    assert.equal(play.x.core.run, "canceled");
    assert.equal(play.x.search.trials.length, play.x.trials.size, "and none that was never made");
  }
});

test("a budget that ends an experiment leaves its rungs as they were, too", () => {
  const play = new Play(specWith(ashaSearch(3), { budget: { steps: 6 } }));
  play.run(2).report(3, 0.2, 2);
  play.exit(YIELDED, 2);
  play.run(3).report(3, 0.3, 3);
  play.obey();
  assert.equal(play.x.core.run, "completed");
  const rungs = searchRungs(play.x.spec.search, play.x.search).map(({ entries }) =>
    entries.map(({ trial, outcome }) => [trial, outcome]),
  );
  assert.deepEqual(rungs, [
    [
      [2, "stopped"],
      [3, "stopped"],
    ],
    [],
  ]);
});
