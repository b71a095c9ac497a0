import assert from "node:assert/strict";
import { test } from "node:test";
import { stepSearch } from "../search/methods.ts";
import { newExperiment } from "./experiment.ts";
import { Play, specWith, YIELDED } from "./lifecycle-fixtures.test.ts";
import { stepExperiment } from "./step.ts";

test("a search that measures time: no clock runs in the queue, and its log is all it needs", () => {
  const spec = specWith({
    name: "hyperband",
    divisor: 3,
    trialsMax: 9,
    stepsMax: 9,
    stragglerFactor: 2,
    concurrentMax: 0,
  });
  const x = newExperiment(spec);
  const replayed = newExperiment(spec);
  let nowMs = 1_000_000;
  const send = (event: Parameters<typeof stepExperiment>[1]) => {
    const effects = stepExperiment(x, event, nowMs);
    for (const { event: told, actions } of effects.searchLog) {
      const again = stepSearch(spec.search, structuredClone(replayed.search), told, nowMs);
      replayed.search = again.state;
      assert.deepEqual(again.actions, actions);
    }
    assert.deepEqual(replayed.search, x.search, `after ${event.type}`);
    return effects;
  };
  const train = (trial: number, tookMs: number) => {
    send({ type: "granted", trial, slots: ["cpu:0"], reason: "free" });
    for (const endMs = nowMs + tookMs; nowMs < endMs; nowMs += 250) send({ type: "tick" });
    send({ type: "report", trial, run: 1, step: 1, metrics: { loss: trial } });
    send({ type: "exited", trial, run: 1, end: YIELDED });
  };
  send({ type: "start", paused: false, actor: "ada" });
  // One after the other on one slot: the last has waited eight times as long as it takes.
  for (let trial = 1; trial <= 8; trial++) train(trial, 20_000);
  const clockMs = x.search.clockMs;
  for (let i = 0; i < 400; i++) send({ type: "tick" });
  assert.equal(x.search.clockMs, clockMs, "ticks while nobody trains say nothing");
  assert.equal(x.trials.get(9)?.over, null);
  send({ type: "granted", trial: 9, slots: ["cpu:0"], reason: "free" });
  const endedAfterMs: number[] = [];
  for (let ms = 0; ms < 45_000; ms += 250, nowMs += 250) {
    send({ type: "tick" });
    if (x.trials.get(9)?.ending) endedAfterMs.push(ms);
  }
  assert.equal(endedAfterMs[0], 41_000, "at the first tick after twice the median");
});

test("a trial whose job waits in its engine's queue is no straggler, however long that takes", () => {
  const spec = specWith({
    ...{ name: "hyperband", divisor: 3, trialsMax: 3, stepsMax: 3, stragglerFactor: 2 },
    concurrentMax: 0,
  });
  const play = new Play(spec).run(1).run(2);
  play.do({ type: "granted", trial: 3, slots: ["g:3"], reason: "free", queued: true });
  const pass = (seconds: number): number => {
    let log = 0;
    for (let i = 0; i < seconds; i++) {
      play.nowMs += 1000;
      log += play.do({ type: "tick" }).searchLog.length;
    }
    return log;
  };
  pass(10);
  for (const trial of [1, 2]) play.report(1, trial, trial);
  pass(100);
  assert.equal(play.trial(3).ending, null, "others train, so the clock of the search runs");
  for (const trial of [1, 2]) play.exit(YIELDED, trial);
  assert.equal(pass(100), 0, "nobody trains");
  const { searchLog } = play.do({ type: "started", trial: 3, run: 1 });
  assert.deepEqual(
    searchLog.map(({ event }) => event),
    [{ type: "granted", trial: 3 }],
  );
  pass(19);
  assert.equal(play.trial(3).ending, null);
  pass(2);
  assert.match(play.trial(3).reason, /the median of the 2 who arrived is 10 s/);
});

test("a straggler is found by ticks alone", () => {
  const spec = specWith({
    name: "hyperband",
    divisor: 3,
    trialsMax: 3,
    stepsMax: 3,
    stragglerFactor: 2,
    concurrentMax: 0,
  });
  const play = new Play(spec).run(1).run(2).run(3);
  play.nowMs += 10_000;
  play.report(1, 1, 1);
  play.report(1, 1, 2);
  let log = 0;
  for (let i = 0; i < 48; i++) {
    play.nowMs += 250;
    log += play.do({ type: "tick" }).searchLog.length;
  }
  assert.equal(log, 12, "one entry a second in its log");
  assert.equal(play.trial(3).ending?.reason, "stopped_by_search");
  assert.match(play.trial(3).reason, /the median of the 2 who arrived is 10 s/);
});
