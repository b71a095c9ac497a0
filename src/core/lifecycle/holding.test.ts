import assert from "node:assert/strict";
import { test } from "node:test";
import { ashaSearch, Play, randomSearch, specWith, YIELDED } from "./lifecycle-fixtures.test.ts";
import { wantsSlots } from "./trial.ts";

function deterministic(method = randomSearch(2, 3)): Play {
  const spec = specWith(method);
  return new Play({ ...spec, search: { ...spec.search, deterministic: true } });
}

test("a held trial keeps its slots until others need them, and what it kept them for is counted", () => {
  const play = deterministic(ashaSearch(3));
  play.run(1).run(2);
  play.report(3, 0.5, 2);
  assert.equal(play.state(2), "running");
  assert.match(play.trial(2).reason, /counts after that of trial 1/);
  play.nowMs += 4_000;
  play.do({ type: "rest", trial: 2, reason: "trial 3 needs a slot" });
  assert.equal(play.state(2), "pausing");
  play.checkpoint(3, 2);
  play.exit(YIELDED, 2);
  assert.equal(play.state(2), "waiting");
  assert.ok(!wantsSlots(play.trial(2)), "its result is in, so it needs none");
  assert.match(play.trial(2).reason, /counts after that of trial 1/);
  play.run(3);
  play.nowMs += 1_000;
  play.report(3, 0.9, 1);
  play.report(3, 0.8, 3);
  assert.deepEqual(play.x.core.held, { results: 1, ms: 5_000, msMax: 5_000, slotMs: 4_000 });
  assert.deepEqual(
    play.last?.decisions.map(({ type, trial }) => `${type} ${trial}`),
    ["stop 3", "stop 1", "train 2"],
  );
  assert.equal(play.state(2), "queued");
});

test("told to train on while it stands still, it goes on where it is", () => {
  const play = deterministic({ ...ashaSearch(2), form: "stopping" } as never);
  play.run(1).run(2);
  play.report(3, 0.5, 2);
  play.nowMs += 2_000;
  play.report(3, 0.1, 1);
  // The second is behind the first; the first goes on without a pause.
  assert.equal(play.trial(1).target, 9);
  assert.equal(play.state(1), "running");
  assert.equal(play.x.core.held?.slotMs, 2_000);
});

test("what is decided of a trial whose program has ended meanwhile is on record all the same", () => {
  const play = deterministic();
  play.run(1).run(2);
  play.report(3, 0.5, 2);
  play.exit(undefined, 2);
  assert.equal(play.trial(2).over, "finished");
  play.report(3, 0.4, 1);
  play.exit(undefined, 1);
  assert.equal(play.x.core.run, "completed");
  const { trials } = play.x;
  assert.deepEqual(
    [...trials.values()].map(({ over }) => over),
    ["finished", "finished"],
  );
  assert.ok(play.last?.decisions.some(({ type, trial }) => type === "stop" && trial === 2));
});

test("of equal values the older trial is the best, whichever came first", () => {
  const play = deterministic();
  play.run(1).run(2);
  play.report(1, 0.5, 2);
  play.report(2, 0.5, 1);
  assert.deepEqual(play.x.core.best, { trial: 1, step: 2, value: 0.5 });
});
