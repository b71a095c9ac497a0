import assert from "node:assert/strict";
import { test } from "node:test";
import { UNBOUNDED_STEPS } from "../search/search.ts";
import {
  ashaSearch,
  CRASH,
  exitOf,
  Play,
  randomSearch,
  specWith,
} from "./lifecycle-fixtures.test.ts";

const crash = (play: Play, number: number): void => {
  play.run(number);
  play.nowMs += 1000;
  play.exit(CRASH, number);
};

test("three trials that fail before anybody reported end the experiment, and it says why", () => {
  const play = new Play(specWith(randomSearch(9), { maxRestarts: 0 }));
  crash(play, 1);
  crash(play, 2);
  assert.equal(play.x.core.run, "active");
  crash(play, 3);
  assert.equal(play.x.core.run, "error");
  assert.match(
    play.x.core.reason,
    /^3 trials failed before they reported anything; the last: trial 3: its program ended with exit code 1/,
  );
  assert.deepEqual([play.trial(4).over, play.x.live.size], ["experiment_ended", 0]);
});

test("the step of the checkpoint that all go on from is no work of theirs", () => {
  const start = { step: 3, tree: "tree" };
  const play = new Play(specWith(randomSearch(9), { maxRestarts: 0 }), { start });
  for (const number of [1, 2, 3]) crash(play, number);
  assert.equal(play.x.core.run, "error");
  const further = new Play(specWith(randomSearch(9), { maxRestarts: 0, objective: null }), {
    start,
  });
  // Nothing but a step: a search without a metric may report no value at all.
  further.run(4).reportMetrics(4, {}, 4);
  for (const number of [1, 2, 3]) crash(further, number);
  assert.equal(further.x.core.run, "active");
});

test("attempts of one trial count once: its restarts are its own", () => {
  const play = new Play(specWith(randomSearch(9), { maxRestarts: 5 }));
  for (let i = 0; i < 6; i++) crash(play, 1);
  assert.deepEqual([play.trial().over, play.x.core.run], ["user_error", "active"]);
});

test("one report, one good end, or one that trains longer than the failures took, and the search goes on", () => {
  const hope: Record<string, (play: Play) => void> = {
    "a report": (play) => void play.run(4).report(0, 0.5, 4),
    "a report of something else": (play) => void play.run(4).reportMetrics(0, { speed: 1 }, 4),
    "a good end without any": (play) => void play.run(4).exit(exitOf(), 4),
    "a long first step": (play) => void play.run(4),
  };
  for (const [what, happens] of Object.entries(hope)) {
    const objective = what === "a good end without any" ? null : "loss";
    const play = new Play(specWith(randomSearch(9), { maxRestarts: 0, objective }));
    happens(play);
    for (const number of [1, 2, 3]) crash(play, number);
    assert.equal(play.x.core.run, "active", what);
  }
  const young = new Play(specWith(randomSearch(9), { maxRestarts: 0 }));
  for (const number of [1, 2]) crash(young, number);
  young.run(3);
  young.nowMs += 900;
  young.run(4);
  young.nowMs += 100;
  young.exit(CRASH, 3);
  assert.equal(young.x.core.run, "stopping", "who is younger than the failures proves nothing yet");
});

test("a search whose trials are all over names the last failure", () => {
  const play = new Play(specWith(ashaSearch(2), { maxRestarts: 0 }));
  crash(play, 1);
  crash(play, 2);
  assert.equal(play.x.core.run, "error");
  assert.match(
    play.x.core.reason,
    /^All trials are over: 2 errored\. The last: trial 2: its program/,
  );
});

test("without a length there is no target, neither at first nor later", () => {
  const play = new Play(specWith({ name: "single", stepsMax: UNBOUNDED_STEPS, concurrentMax: 1 }));
  assert.equal(play.trial().target, null);
});
