import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ashaSearch,
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

test("a program that always fails has exactly max_restarts + 1 attempts, each later than the last", () => {
  const ends = {
    user_error: CRASH,
    out_of_memory: exitOf({ exits: [{ code: null, signal: "SIGKILL" }], outOfMemory: "kernel" }),
    no_progress: SILENT,
    launch_failed: exitOf({ kind: "launch_failed", exits: [], detail: "no such file." }),
  };
  for (const [reason, end] of Object.entries(ends)) {
    const play = new Play(specWith(randomSearch(2), { maxRestarts: 3 }));
    const waits: number[] = [];
    let attempts = 0;
    while (play.trial().over === null) {
      play.nowMs = Math.max(play.nowMs, play.trial().retryAtMs);
      play.run();
      attempts += 1;
      play.exit(end);
      if (play.trial().over === null) waits.push(play.trial().retryAtMs - play.nowMs);
    }
    assert.equal(attempts, 4, reason);
    assert.deepEqual(waits, [250, 500, 1000], reason);
    assert.equal(play.trial().over, reason);
    assert.equal(play.trial().restarts, 3);
    assert.match(play.trial().reason, /[^.]; max_restarts \(3\) are used up/);
    assert.equal(play.state(2), "queued", "the other trial is untouched");
    assert.equal(play.x.core.run, "active");
    play.run(2).report(9, 0.3, 2);
    play.obey();
    assert.equal(play.x.core.run, "completed", "one failed trial does not fail a search");
  }
});

test("a restart goes on from the last checkpoint, and its steps count as work again", () => {
  const play = new Play(specWith(randomSearch(1))).run();
  play.report(1, 0.9);
  play.checkpoint(2);
  play.checkpoint(1);
  play.report(4, 0.7);
  assert.equal(play.trial().step, 4);
  play.exit(CRASH);
  assert.match(play.trial().reason, /restart 1 of 2 from the checkpoint at step 2/);
  play.run();
  assert.deepEqual(
    [play.trial().run, play.trial().step, play.trial().allocation?.startStep],
    [2, 2, 2],
  );
  play.report(4, 0.7);
  assert.equal(play.x.core.steps, 6);
});

test("a lost node is not the program's fault: no restart is charged, however often", () => {
  const play = new Play(specWith(randomSearch(1), { maxRestarts: 0 }));
  for (let i = 0; i < 20; i++) {
    play.run();
    play.exit(NODE_LOST);
    assert.deepEqual([play.state(), play.trial().restarts], ["queued", 0]);
    assert.match(play.trial().reason, /node n1 was lost; it goes on from its last checkpoint/);
  }
  play.run().report(9, 1);
  play.obey();
  assert.equal(play.trial().over, "finished");
});

test("an impossible choice of hyperparameters is replaced; what an earlier run said of them is forgotten", () => {
  const play = new Play(specWith(randomSearch(2))).run(1);
  play.do({ type: "invalid", trial: 1, run: 1, reason: "width 3 is odd" });
  play.do({ type: "invalid", trial: 1, run: 1, reason: "another rank has left" });
  const { decisions } = play.exit(CRASH);
  assert.equal(play.trial().over, "invalid_hyperparameters");
  assert.match(play.trial().reason, /impossible|invalid: width 3 is odd/);
  assert.deepEqual(
    decisions.map(({ type, trial, cause }) => [type, trial, cause.code]),
    [["create", 3, "replacement"]],
  );
  play.run(2);
  play.do({ type: "invalid", trial: 2, run: 1, reason: "a mistake" });
  play.exit(NODE_LOST, 2);
  play.run(2).report(8, 0.5, 2);
  play.exit(exitOf(), 2);
  assert.equal(play.trial(2).over, "finished");
});

test("an objective that never comes ends the trial at once, and the message names what did come", () => {
  const byWaiting = new Play(specWith(ashaSearch())).run();
  byWaiting.reportMetrics(3, { lost: 1, accuracy: 2 });
  byWaiting.waiting(3);
  assert.equal(byWaiting.trial().allocation?.kill, true);
  byWaiting.obey();
  const byExit = new Play(specWith(ashaSearch())).run();
  byExit.reportMetrics(3, { lost: 1, accuracy: 2 });
  byExit.exit(exitOf());
  const silent = new Play(specWith(ashaSearch())).run();
  silent.exit(exitOf());
  for (const play of [byWaiting, byExit, silent]) {
    assert.equal(play.trial().over, "objective_missing");
    assert.match(play.trial().reason, /"loss" \(searcher.metric\) was not reported by step/);
  }
  assert.match(byWaiting.trial().reason, /by step 3; reported were: lost, accuracy\./);
  assert.match(byExit.trial().reason, /reported were: lost, accuracy\./);
  assert.match(silent.trial().reason, /no metric was reported\./);
});

test("a program that ends by itself with 0 has finished, wherever it was", () => {
  for (const verb of [undefined, "pause"] as const) {
    const play = new Play(specWith(randomSearch(1))).run();
    play.report(2, 0.5);
    if (verb) play.user(verb, 1);
    play.exit(exitOf());
    assert.equal(play.trial().over, "finished");
    assert.equal(play.x.core.run, "completed");
    assert.equal(play.ended[0]?.end, "finished");
  }
});

test("without an objective a trial is done when it has trained as far as it was asked to", () => {
  const play = new Play(
    specWith({ name: "single", stepsMax: 5, concurrentMax: 1 }, { objective: null }),
  ).run();
  play.reportMetrics(4, { speed: 1 });
  play.waiting(4);
  assert.equal(play.state(), "running");
  play.waiting(5);
  assert.deepEqual([play.state(), play.trial().allocation?.yield], ["stopping", "stop"]);
  play.obey();
  assert.equal(play.trial().over, "finished");
});

test("under a time metric a trial that never names its objective ends when it has used up its time", () => {
  const search = ashaSearch();
  const play = new Play(specWith(search, { timeMetric: "time" })).run();
  play.reportMetrics(3, { Loss: 1, time: search.stepsMax - 0.5 });
  assert.equal(play.trial().ending, null, "it may still come");
  play.reportMetrics(4, { Loss: 1, time: search.stepsMax });
  assert.equal(play.trial().allocation?.kill, true);
  play.obey();
  assert.equal(play.trial().over, "objective_missing");
  assert.match(
    play.trial().reason,
    /"loss" .searcher.metric. was not reported by step 4; reported were: Loss, time/,
  );
});

test("the time metric is the resource: no target in steps, and it must be there and be a number", () => {
  const make = () => new Play(specWith(ashaSearch(), { timeMetric: "constructor" })).run();
  const good = make();
  assert.equal(good.trial().target, null);
  good.reportMetrics(50, { loss: 0.4, constructor: 2.9 });
  assert.equal(good.trial().searchHold, false);
  good.reportMetrics(60, { loss: 0.4, constructor: 3.1 });
  assert.equal(good.trial().searchHold, true, "its 3 units are trained");
  assert.deepEqual(good.trial().objective, { step: 60, value: 0.4, resource: 3 });
  const table: [Record<string, number>, RegExp][] = [
    [
      { loss: 1 },
      /"constructor" \(searcher.time_metric\) was not reported by step 7; reported were: loss/,
    ],
    [{ loss: 1, constructor: Number.NaN }, /was NaN at step 7/],
    [{ loss: 1, constructor: Number.POSITIVE_INFINITY }, /was Infinity at step 7/],
  ];
  for (const [metrics, message] of table) {
    const play = make();
    play.reportMetrics(7, metrics);
    assert.equal(play.trial().allocation?.kill, true);
    play.obey();
    assert.equal(play.trial().over, "objective_missing");
    assert.match(play.trial().reason, message);
  }
});

test("one that was canceled may still save, whatever its reports lack", () => {
  const lacking: Record<string, number>[] = [{ time: ashaSearch().stepsMax }, { loss: 1 }];
  for (const metrics of lacking) {
    const play = new Play(specWith(ashaSearch(), { timeMetric: "time" })).run();
    play.user("cancel", 1);
    play.reportMetrics(7, metrics);
    const { allocation, ending } = play.trial();
    assert.deepEqual([allocation?.yield, allocation?.kill], ["stop", false]);
    assert.equal(ending?.reason, "canceled_by_user");
  }
});

test("without an objective its time metric alone says when a trial is done, and it must say it", () => {
  const make = () => {
    const single = { name: "single", stepsMax: 100, concurrentMax: 1 } as const;
    return new Play(specWith(single, { objective: null, timeMetric: "seconds" })).run();
  };
  const play = make();
  play.reportMetrics(5, { seconds: 99.9 });
  assert.equal(play.state(), "running");
  const { ordersChanged } = play.reportMetrics(6, { seconds: 101.5 });
  assert.equal(ordersChanged.get(1), play.trial().ending?.text);
  play.reportMetrics(7, { seconds: 103 });
  play.obey();
  assert.deepEqual([play.trial().over, play.x.core.run], ["finished", "completed"]);
  assert.match(play.trial().reason, /"seconds" .* was 101, as far as .*: searcher.max_time is 100/);
  for (const [metrics, message] of [
    [{ loss: 1 }, /"seconds" \(searcher.time_metric\) was not reported by step 7/],
    [{ seconds: Number.NaN }, /was NaN at step 7/],
  ] as const) {
    const bad = make();
    bad.reportMetrics(7, metrics);
    bad.obey();
    assert.equal(bad.trial().over, "objective_missing");
    assert.match(bad.trial().reason, message);
  }
});

test("orders: a pause asks to save and go, a stop overrides it, a kill overrides both", () => {
  const play = new Play(specWith(ashaSearch())).run();
  const orders = () => [play.trial().allocation?.yield, play.trial().allocation?.kill];
  assert.deepEqual(orders(), [null, false]);
  assert.deepEqual([...play.user("pause", 1).ordersChanged.keys()], [1]);
  assert.deepEqual(orders(), ["pause", false]);
  assert.deepEqual([...play.user("cancel", 1).ordersChanged.keys()], [1]);
  assert.deepEqual(orders(), ["stop", false]);
  assert.equal(play.user("pause", 1).ordersChanged.size, 0);
  assert.deepEqual([...play.user("kill", 1).ordersChanged.keys()], [1]);
  assert.deepEqual(orders(), ["stop", true]);
});

test("a trial that may go on before it has left the rung comes back for the next one", () => {
  const play = new Play(specWith(ashaSearch())).run(1).run(2).run(3);
  play.report(3, 0.1, 1);
  play.report(3, 0.2, 2);
  const { decisions } = play.report(3, 0.3, 3);
  assert.deepEqual(
    decisions.filter((d) => d.trial === 1).map((d) => d.type),
    ["train"],
  );
  const trial = play.trial(1);
  assert.deepEqual(
    [trial.target, trial.searchHold, trial.allocation?.yield],
    [9, false, "pause"],
    "it was told to go and that is not taken back",
  );
  play.exit(YIELDED, 1);
  assert.equal(play.state(1), "queued");
});

test("late word from an earlier run decides nothing", () => {
  const play = new Play(specWith(ashaSearch())).run();
  play.report(1, 0.5);
  play.exit(NODE_LOST);
  play.run();
  const before = structuredClone([play.x.core, play.trial(), play.x.search]);
  const late = [
    { type: "started" },
    { type: "report", step: 9, metrics: { loss: 0 } },
    { type: "waiting", step: 9 },
    { type: "checkpoint", step: 8, tree: "late" },
    { type: "invalid", reason: "late" },
    { type: "exited", end: CRASH },
  ] as const;
  for (const event of late) {
    const effects = play.do({ ...event, trial: 1, run: 1 });
    assert.deepEqual([play.x.core, play.trial(), play.x.search], before, event.type);
    assert.equal(effects.trialsChanged.size + effects.changes.length + effects.ended.length, 0);
  }
});

test("who waits at a step has said all about it: the objective measured just before counts for it", () => {
  const play = new Play(specWith(ashaSearch())).run();
  play.report(2, 0.25);
  assert.equal(play.trial().searchHold, false);
  const { searchLog } = play.waiting(3);
  assert.deepEqual(searchLog[0]?.event, { type: "report", trial: 1, step: 3, objective: 0.25 });
  assert.equal(play.trial().searchHold, true);
  assert.equal(play.waiting(3).searchLog.length, 1, "and once more does no harm");
});

test("NaN counts as a report, ranks worst, and is nobody's best", () => {
  const play = new Play(specWith(ashaSearch())).run(1).run(2).run(3);
  play.report(3, Number.NaN, 1);
  assert.deepEqual([play.trial(1).best, play.x.core.best], [null, null]);
  play.report(3, 5, 2);
  play.report(3, 4, 3);
  assert.deepEqual(play.x.core.best, { trial: 3, step: 3, value: 4 });
  play.obey();
  assert.deepEqual(
    [1, 2, 3].map((n) => play.state(n)),
    ["completed", "completed", "running"],
    "the best of three goes on at once",
  );
});

const finish = (play: Play, n: number): void => {
  play.run(n).report(9, 1, n);
  play.obey();
};

test("a search ends as its trials did", () => {
  const table = [
    ["completed", finish],
    ["error", (play: Play, n: number) => play.run(n).exit(CRASH, n)],
    ["canceled", (play: Play, n: number) => play.user("kill", n)],
  ] as const;
  for (const [outcome, end] of table) {
    const play = new Play(specWith(randomSearch(3), { maxRestarts: 0 }));
    for (let n = 1; n <= 3; n++) {
      assert.equal(play.x.core.run, "active");
      end(play, n);
    }
    assert.equal(play.x.core.run, outcome);
    assert.equal(play.x.core.progress, outcome === "completed" ? 1 : play.x.core.progress);
    assert.equal(play.x.core.endedAtMs, play.nowMs);
  }
});

test("an experiment paused while trials wait at rungs goes on as if nothing had been", () => {
  const play = new Play(specWith(ashaSearch())).run(1).run(2).run(3);
  play.report(3, 0.1, 1);
  play.exit(YIELDED, 1);
  play.report(3, 0.2, 2);
  play.user("pause");
  assert.deepEqual([play.state(1), play.state(3)], ["waiting", "pausing"]);
  play.report(3, 0.3, 3);
  play.obey();
  assert.equal(play.x.core.run, "paused");
  assert.deepEqual(
    [1, 2, 3].map((n) => play.state(n)),
    ["paused", "completed", "completed"],
    "trial 1 was promoted meanwhile and waits for the experiment",
  );
  play.user("activate");
  assert.equal(play.state(1), "queued");
  play.run(1).report(9, 0.1, 1);
  play.obey();
  assert.equal(play.x.core.run, "completed");
});

test("drain: everyone saves and goes, nobody is charged, all want slots again", () => {
  const play = new Play(specWith(randomSearch(3))).run(1).run(2);
  const { ordersChanged } = play.do({ type: "drain", reason: "the server stops" });
  assert.deepEqual(
    [...ordersChanged],
    [
      [1, "the server stops"],
      [2, "the server stops"],
    ],
  );
  play.exit(YIELDED, 1);
  play.exit(TERMINATED, 2);
  assert.deepEqual(
    [1, 2, 3].map((n) => [play.state(n), play.trial(n).restarts]),
    [
      ["queued", 0],
      ["queued", 0],
      ["queued", 0],
    ],
  );
  assert.equal(
    play.ended.every(({ end }) => end === "paused"),
    true,
  );
});
