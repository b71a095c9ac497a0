import assert from "node:assert/strict";
import { test } from "node:test";
import type { Budget } from "../budget.ts";
import { stepSearch } from "../search/methods.ts";
import { newExperiment } from "./experiment.ts";
import {
  ashaSearch,
  CRASH,
  exitOf,
  NODE_LOST,
  Play,
  randomSearch,
  specWith,
  TERMINATED,
  YIELDED,
} from "./lifecycle-fixtures.test.ts";
import { stepExperiment } from "./step.ts";

const VERBS = ["pause", "activate", "cancel", "kill"] as const;

/** A trial brought to each state that it can be in. */
const TRIAL_IN: Readonly<Record<string, () => Play>> = {
  queued: () => new Play(specWith(ashaSearch())),
  starting: () => new Play(specWith(ashaSearch())).grant(),
  running: () => new Play(specWith(ashaSearch())).run(),
  "pausing for a person": () => {
    const play = new Play(specWith(ashaSearch())).run();
    play.user("pause", 1);
    return play;
  },
  "paused by a person": () => {
    const play = new Play(specWith(ashaSearch()));
    play.user("pause", 1);
    return play;
  },
  "pausing at a rung": () => {
    const play = new Play(specWith(ashaSearch())).run();
    play.report(3, 0.5);
    return play;
  },
  "waiting at a rung": () => {
    const play = new Play(specWith(ashaSearch())).run();
    play.report(3, 0.5);
    play.exit(YIELDED);
    return play;
  },
  "backing off": () => {
    const play = new Play(specWith(ashaSearch())).run();
    play.exit(CRASH);
    return play;
  },
  canceled: () => {
    const play = new Play(specWith(ashaSearch())).run();
    play.user("cancel", 1);
    return play;
  },
  killed: () => {
    const play = new Play(specWith(ashaSearch())).run();
    play.user("kill", 1);
    return play;
  },
  finished: () => {
    const play = new Play(specWith(ashaSearch())).run();
    play.report(3, 0.5);
    play.exit(exitOf());
    return play;
  },
  failed: () => {
    const play = new Play(specWith(ashaSearch(), { maxRestarts: 0 })).run();
    play.exit(CRASH);
    return play;
  },
};

/** State × verb → what is shown at once, and what once the program has done as it was told. */
const TRIAL_TABLE: Readonly<Record<string, readonly [string, string, string, string]>> = {
  queued: ["paused → paused", "queued → queued", "canceled → canceled", "canceled → canceled"],
  starting: [
    "pausing → paused",
    "starting → starting",
    "stopping → canceled",
    "stopping → canceled",
  ],
  running: ["pausing → paused", "running → running", "stopping → canceled", "stopping → canceled"],
  "pausing for a person": [
    "pausing → paused",
    "pausing → queued",
    "stopping → canceled",
    "stopping → canceled",
  ],
  "paused by a person": [
    "paused → paused",
    "queued → queued",
    "canceled → canceled",
    "canceled → canceled",
  ],
  "pausing at a rung": [
    "pausing → waiting",
    "pausing → waiting",
    "stopping → canceled",
    "stopping → canceled",
  ],
  "waiting at a rung": [
    "waiting → waiting",
    "waiting → waiting",
    "canceled → canceled",
    "canceled → canceled",
  ],
  "backing off": [
    "paused → paused",
    "queued → queued",
    "canceled → canceled",
    "canceled → canceled",
  ],
  canceled: [
    "stopping → canceled",
    "stopping → canceled",
    "stopping → canceled",
    "stopping → canceled",
  ],
  killed: [
    "stopping → canceled",
    "stopping → canceled",
    "stopping → canceled",
    "stopping → canceled",
  ],
  finished: [
    "completed → completed",
    "completed → completed",
    "completed → completed",
    "completed → completed",
  ],
  failed: ["error → error", "error → error", "error → error", "error → error"],
};

test("a trial: every verb in every state", () => {
  assert.deepEqual(Object.keys(TRIAL_TABLE), Object.keys(TRIAL_IN));
  for (const [state, make] of Object.entries(TRIAL_IN))
    for (const [i, verb] of VERBS.entries()) {
      const play = make();
      const before = play.x.trials.get(2);
      play.user(verb, 1);
      const shown = play.state();
      play.obey();
      assert.equal(`${shown} → ${play.state()}`, TRIAL_TABLE[state]?.[i], `${verb} while ${state}`);
      assert.deepEqual(play.x.trials.get(2), before, "nobody else is touched");
    }
});

test("a trial: a kill hardens whatever was asked before, and nothing softens it", () => {
  for (const [state, make] of Object.entries(TRIAL_IN)) {
    const play = make();
    play.user("kill", 1);
    const allocation = play.trial().allocation;
    if (allocation === null) {
      assert.notEqual(play.trial().over, null, state);
      continue;
    }
    assert.equal(allocation.kill, true, state);
    for (const verb of VERBS) play.user(verb, 1);
    assert.equal(allocation.kill, true, state);
    assert.equal(play.last?.ordersChanged.size, 0, `${state}: hearing it again is no news`);
  }
});

const EXPERIMENT_IN: Readonly<Record<string, () => Play>> = {
  "paused, never active": () => new Play(specWith(ashaSearch()), { paused: true }),
  active: () => new Play(specWith(ashaSearch())).run(1),
  "paused, one still saving": () => {
    const play = new Play(specWith(ashaSearch())).run(1);
    play.user("pause");
    return play;
  },
  "stopping after cancel": () => {
    const play = new Play(specWith(ashaSearch())).run(1);
    play.user("cancel");
    return play;
  },
  "stopping after kill": () => {
    const play = new Play(specWith(ashaSearch())).run(1);
    play.user("kill");
    return play;
  },
  completed: () => {
    const play = new Play(specWith(randomSearch(1))).run(1);
    play.report(9, 0.1);
    play.obey();
    return play;
  },
  "in error": () => {
    const play = new Play(specWith(randomSearch(1), { maxRestarts: 0 })).run(1);
    play.exit(CRASH);
    return play;
  },
  "all canceled": () => {
    const play = new Play(specWith(ashaSearch()));
    play.user("cancel");
    return play;
  },
};

const EXPERIMENT_TABLE: Readonly<Record<string, readonly [string, string, string, string]>> = {
  "paused, never active": [
    "paused → paused",
    "active → active",
    "canceled → canceled",
    "canceled → canceled",
  ],
  active: ["paused → paused", "active → active", "stopping → canceled", "stopping → canceled"],
  "paused, one still saving": [
    "paused → paused",
    "active → active",
    "stopping → canceled",
    "stopping → canceled",
  ],
  "stopping after cancel": [
    "stopping → canceled",
    "stopping → canceled",
    "stopping → canceled",
    "stopping → canceled",
  ],
  "stopping after kill": [
    "stopping → canceled",
    "stopping → canceled",
    "stopping → canceled",
    "stopping → canceled",
  ],
  completed: [
    "completed → completed",
    "completed → completed",
    "completed → completed",
    "completed → completed",
  ],
  "in error": ["error → error", "error → error", "error → error", "error → error"],
  "all canceled": [
    "canceled → canceled",
    "canceled → canceled",
    "canceled → canceled",
    "canceled → canceled",
  ],
};

test("an experiment: every verb in every state", () => {
  assert.deepEqual(Object.keys(EXPERIMENT_TABLE), Object.keys(EXPERIMENT_IN));
  for (const [state, make] of Object.entries(EXPERIMENT_IN))
    for (const [i, verb] of VERBS.entries()) {
      const play = make();
      play.user(verb);
      const shown = play.x.core.run;
      const killing = play.x.trials.get(1)?.allocation?.kill === true;
      if (verb === "kill" && shown === "stopping") assert.ok(killing, `${verb} while ${state}`);
      play.obey();
      const got = `${shown} → ${play.x.core.run}`;
      assert.equal(got, EXPERIMENT_TABLE[state]?.[i], `${verb} while ${state}`);
      if (play.x.core.endedAtMs !== null) assert.equal(play.x.live.size, 0);
    }
});

test("who changed it, and why, stands with each change", () => {
  const play = new Play(specWith(randomSearch(1))).run();
  const { changes } = play.user("kill", 1);
  assert.deepEqual(changes, [{ actor: "ada", trial: 1, what: "killing", cause: "killed by ada" }]);
  const { changes: ended } = play.exit(TERMINATED);
  assert.deepEqual(
    ended.map(({ actor, trial, what }) => [actor, trial, what]),
    [
      ["runner", 1, "allocation ended: killed"],
      ["contrail", 1, "killed_by_user"],
      ["search", undefined, "stopping"],
      ["contrail", undefined, "canceled"],
    ],
  );
});

test("a program that always fails has exactly max_restarts + 1 attempts, each later than the last", () => {
  const ends = {
    user_error: CRASH,
    out_of_memory: exitOf({ exits: [{ code: null, signal: "SIGKILL" }], outOfMemory: "kernel" }),
    launch_failed: exitOf({ kind: "launch_failed", exits: [], detail: "no such file" }),
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
    assert.match(play.trial().reason, /max_restarts \(3\) are used up/);
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

const HOUR = 3_600_000;
const oneHour = (play: Play): void => {
  play.nowMs += HOUR;
};
const BUDGETS: readonly { budget: Budget; spend: (play: Play) => void; says: RegExp }[] = [
  {
    budget: { steps: 5 },
    spend: (play) => void play.report(2, 1, 2),
    says: /5 of 5 steps are trained/,
  },
  {
    budget: { timeMs: HOUR },
    spend: oneHour,
    says: /3600.0 s of 3600.0 s wall time/,
  },
  {
    budget: { slotHours: 2 },
    spend: oneHour,
    says: /2.000 of 2 slot-hours/,
  },
  {
    budget: { money: { max: 5, perSlotHour: 2.5, currency: "EUR" } },
    spend: oneHour,
    says: /5.00 of 5 EUR/,
  },
  {
    budget: { energy: { maxKwh: 0.6, wattsPerSlot: 300 } },
    spend: oneHour,
    says: /0.600 of 0.6 kWh \(estimated\)/,
  },
];

test("each kind of budget ends the search cleanly when it is reached, and not before", () => {
  for (const { budget, spend, says } of BUDGETS) {
    const play = new Play(specWith(ashaSearch(9), { budget, slotsPerTrial: 2 })).run(1);
    play.report(3, 0.5, 1);
    play.exit(YIELDED, 1);
    play.run(2);
    // Exactly one hour of two slots from here: trial 1 has used no time at all.
    play.nowMs -= 1;
    spend(play);
    const made = play.x.trials.size;
    if (budget.steps === undefined) {
      play.do({ type: "tick" });
      assert.equal(play.x.core.run, "active", String(says));
      play.nowMs += 1;
      const { searchLog, decisions } = play.do({ type: "tick" });
      assert.equal(searchLog.length, made - 1, "the search hears of each that ends");
      assert.deepEqual(decisions, [], "and decides nothing any more");
    }
    assert.equal(play.x.core.run, "stopping");
    assert.match(play.x.core.reason, says);
    assert.deepEqual(
      [play.trial(1).over, play.state(2), play.trial(3).over],
      ["budget_reached", "stopping", "budget_reached"],
      "who waits ends at once, who runs may finish its step",
    );
    assert.equal(play.trial(2).allocation?.yield, "stop");
    play.obey();
    assert.equal(play.x.core.run, "completed");
    assert.equal(play.x.trials.size, made, "nobody new was made");
  }
});

test("a pause in the wall-time budget counts, and is noticed when the experiment goes on", () => {
  const play = new Play(specWith(randomSearch(1), { budget: { timeMs: HOUR } }));
  play.user("pause");
  play.nowMs += 2 * HOUR;
  play.do({ type: "tick" });
  assert.equal(play.x.core.run, "paused");
  play.user("activate");
  assert.equal(play.x.core.run, "completed");
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

test("canceling: the search hears of the ends, and what it answers is not taken for a decision", () => {
  const play = new Play(specWith(ashaSearch(9)));
  assert.ok(play.x.trials.size < 9, "there would be others to make");
  const { searchLog, decisions } = play.user("cancel");
  assert.equal(searchLog.length, play.x.trials.size);
  assert.deepEqual(decisions, []);
  assert.equal(play.x.core.run, "canceled");
});

test("slot time is counted from the grant to the exit, times the slots", () => {
  const play = new Play(specWith(randomSearch(1), { slotsPerTrial: 4 })).run();
  play.nowMs += 1000;
  play.user("pause", 1);
  play.nowMs += 500;
  play.exit(YIELDED);
  assert.deepEqual([play.trial().slotMs, play.x.core.slotMs], [6000, 6000]);
  play.nowMs += 60_000;
  play.user("activate", 1);
  play.run();
  play.nowMs -= 5000;
  play.exit(exitOf({ exits: [{ code: 0, signal: null }] }));
  assert.equal(play.trial().slotMs, 6000, "a clock that was set back takes nothing away");
});

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
