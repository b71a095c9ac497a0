import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ashaSearch,
  CRASH,
  exitOf,
  Play,
  randomSearch,
  specWith,
  TERMINATED,
  YIELDED,
} from "./lifecycle-fixtures.test.ts";

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
    "pausing → paused",
    "pausing → waiting",
    "stopping → canceled",
    "stopping → canceled",
  ],
  "waiting at a rung": [
    "paused → paused",
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

test("who kills what was canceled is named as its end; hearing it again is no news", () => {
  for (const whole of [false, true]) {
    const play = new Play(specWith(ashaSearch())).run();
    const of = whole ? undefined : 1;
    play.user("cancel", of);
    const { changes } = play.user("kill", of);
    assert.ok(changes.some(({ cause }) => cause.includes("killed by ada")));
    assert.deepEqual(play.user("kill", of).changes, []);
    play.obey();
    assert.equal(play.trial().over, "killed_by_user");
    assert.match(play.trial().reason, /killed by ada/);
    if (whole)
      assert.deepEqual([play.x.core.run, play.x.core.reason], ["canceled", "killed by ada"]);
  }
  const stopped = new Play(specWith(randomSearch(1))).run();
  stopped.report(9, 0.5);
  stopped.user("kill", 1);
  stopped.obey();
  assert.equal(stopped.trial().over, "killed_by_user", "and so is what the search had stopped");
});

test("who is paused at a rung by a person is paused, and goes back to waiting when activated", () => {
  const play = new Play(specWith(ashaSearch())).run();
  play.report(3, 0.5);
  play.exit(YIELDED);
  play.user("pause", 1);
  assert.deepEqual([play.state(), play.trial().reason], ["paused", "paused by ada"]);
  play.user("activate", 1);
  assert.equal(play.state(), "waiting");
  assert.match(play.trial().reason, /activated by ada; it waits at its rung/);
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
