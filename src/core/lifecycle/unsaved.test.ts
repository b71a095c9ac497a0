/** Trials whose last step is measured and not saved: a search has what it asked for, a person has no model. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { searchRungs } from "../search/methods.ts";
import {
  CRASH,
  exitOf,
  NODE_LOST,
  Play,
  randomSearch,
  SILENT,
  specWith,
  TERMINATED,
  YIELDED,
} from "./lifecycle-fixtures.test.ts";
import type { ProcessesEnd } from "./trial.ts";

const OUT_OF_MEMORY = exitOf({ exits: CRASH.exits, outOfMemory: "kernel" });

/** A search of one trial that has reported its last step, 9, and was told to stop; last saved at 4. */
function atTheEnd(maxRestarts = 2, deterministic = false): Play {
  const spec = specWith(randomSearch(1), { maxRestarts });
  const search = deterministic ? { ...spec.search, deterministic: true as const } : spec.search;
  const play = new Play({ ...spec, search }).run();
  play.report(4, 0.7);
  play.checkpoint(4);
  play.report(9, 0.5);
  assert.equal(play.state(), "stopping");
  return play;
}

test("a program that fails before its last step is saved has not finished: it trains there again, and ends there", () => {
  const ends: [ProcessesEnd, number][] = [
    [CRASH, 1],
    [OUT_OF_MEMORY, 1],
    [SILENT, 1],
    [NODE_LOST, 0],
  ];
  for (const [end, charged] of ends) {
    const play = atTheEnd();
    play.exit(end);
    const { over, restarts, target, reason } = play.trial();
    assert.deepEqual([play.state(), over, restarts, target], ["queued", null, charged, 9]);
    assert.match(reason, /before a checkpoint of step 9, the last that was asked for, was saved; /);
    assert.equal(play.x.core.run, "active");
    play.nowMs = Math.max(play.nowMs, play.trial().retryAtMs);
    play.run();
    assert.equal(play.trial().allocation?.startStep, 4);
    assert.deepEqual(play.report(8, 0.6).searchLog, [], "the search has heard all it asked for");
    assert.equal(play.trial().ending, null);
    play.report(9, 0.5);
    assert.equal(play.trial().allocation?.yield, "stop");
    play.checkpoint(9);
    play.exit(YIELDED);
    assert.deepEqual([play.trial().over, play.x.core.run], ["finished", "completed"]);
    assert.match(play.trial().reason, /trained as far as this search trains anything/);
  }
});

test("without restarts left it ends with what happened, and so does its search", () => {
  for (const deterministic of [false, true]) {
    const play = atTheEnd(0, deterministic);
    play.exit(CRASH);
    assert.equal(play.trial().over, "user_error");
    assert.match(play.trial().reason, /exit code 1, before a checkpoint of step 9, .*used up/);
    assert.equal(play.x.core.run, "error", `deterministic: ${deterministic}`);
    const [rung] = searchRungs(play.x.spec.search, play.x.search);
    assert.deepEqual(rung?.entries, [{ trial: 1, objective: 0.5, outcome: "failed" }]);
  }
});

test("what is saved, or was never to be saved, has finished, however its program ends", () => {
  const saved = atTheEnd();
  saved.checkpoint(9);
  saved.exit(CRASH);
  const waited = atTheEnd();
  waited.waiting(9);
  waited.exit(CRASH);
  // Without anything to save by, and told to stop before it waited.
  const leftItsLoop = atTheEnd();
  leftItsLoop.exit({ ...CRASH, yielded: true });
  const inGoodOrder = atTheEnd();
  inGoodOrder.exit(exitOf());
  const asTold = atTheEnd();
  asTold.exit(TERMINATED);
  for (const play of [saved, waited, leftItsLoop, inGoodOrder, asTold])
    assert.deepEqual([play.trial().over, play.trial().restarts], ["finished", 0]);
});

test("where time is the resource, the step at which it was used up is the target of the next attempt", () => {
  const play = new Play(specWith(randomSearch(1), { timeMetric: "time" })).run();
  play.checkpoint(50);
  play.reportMetrics(70, { loss: 0.4, time: 9.2 });
  play.exit(CRASH);
  play.nowMs = play.trial().retryAtMs;
  play.run();
  assert.deepEqual([play.trial().target, play.trial().step], [70, 50]);
  play.reportMetrics(60, { loss: 0.4, time: 9.1 });
  assert.equal(play.trial().ending, null);
  play.reportMetrics(70, { loss: 0.4, time: 9.2 });
  play.checkpoint(70);
  play.obey();
  assert.equal(play.trial().over, "finished");
});

test("a program that only waits, and one without a metric, end there as well", () => {
  const play = atTheEnd();
  play.exit(NODE_LOST);
  play.run();
  play.waiting(9);
  play.obey();
  assert.equal(play.trial().over, "finished");
  const plain = new Play(specWith(randomSearch(1), { objective: null })).run();
  plain.waiting(9);
  plain.exit(CRASH);
  assert.equal(plain.trial().over, "finished", "it saves before it waits");
});

test("whoever wanted it over meanwhile gets that: it is not started again", () => {
  const table = [
    [(play: Play) => play.user("cancel", 1), "canceled_by_user"],
    [(play: Play) => play.user("cancel"), "canceled_by_user"],
    [(play: Play) => play.user("kill"), "killed_by_user"],
  ] as const;
  for (const [end, reason] of table) {
    const play = atTheEnd();
    end(play);
    play.exit(CRASH);
    assert.equal(play.trial().over, reason);
    assert.equal(play.x.core.run, "canceled");
  }
  const saved = atTheEnd();
  saved.user("cancel", 1);
  saved.checkpoint(9);
  saved.exit(YIELDED);
  assert.equal(saved.trial().over, "finished", "it got there all the same");
});

test("a held trial whose program fails meanwhile trains there again once its result counts", () => {
  const spec = specWith(randomSearch(2));
  const play = new Play({ ...spec, search: { ...spec.search, deterministic: true } });
  play.run(1).run(2);
  play.report(9, 0.5, 2);
  assert.equal(play.trial(2).searchHold, true);
  play.exit(CRASH, 2);
  assert.equal(play.state(2), "waiting");
  play.report(9, 0.6, 1);
  play.obey();
  assert.deepEqual([play.trial(1).over, play.state(2)], ["finished", "queued"]);
  assert.match(play.trial(2).reason, /before a checkpoint of step 9/);
  play.nowMs = play.trial(2).retryAtMs;
  play.run(2).report(9, 0.5, 2);
  play.obey();
  assert.deepEqual([play.trial(2).over, play.x.core.run], ["finished", "completed"]);
});

test("a held trial whose program fails for good meanwhile has errored, in whichever order that is heard", () => {
  const spec = specWith(randomSearch(2), { maxRestarts: 0 });
  for (const order of [
    [2, 1],
    [1, 2],
  ]) {
    const play = new Play({ ...spec, search: { ...spec.search, deterministic: true } });
    play.run(1).run(2);
    for (const number of order) {
      play.report(9, 0.5, number);
      play.exit(CRASH, number);
    }
    assert.deepEqual([play.trial(1).over, play.trial(2).over], ["user_error", "user_error"]);
    assert.match(play.x.core.reason, /^All trials are over: 2 errored\./, String(order));
    assert.equal(play.x.core.run, "error");
    const [rung] = searchRungs(play.x.spec.search, play.x.search);
    assert.deepEqual(
      rung?.entries.map(({ outcome }) => outcome),
      ["failed", "failed"],
    );
  }
});
