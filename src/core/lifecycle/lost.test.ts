/** What becomes of a trial whose runner was lost: nobody has told how its processes ended, and they may live. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { exitOf, Play, randomSearch, specWith } from "./lifecycle-fixtures.test.ts";

const lost = { type: "lost", trial: 1, reason: "runner b was lost: why" } as const;

test("it goes on from its last checkpoint, is charged nothing, and says by whom and why", () => {
  const play = new Play(specWith(randomSearch(1), { maxRestarts: 0 })).run();
  play.report(4, 0.7);
  play.checkpoint(2);
  const { ended, changes } = play.do({ ...lost, run: 1 });
  assert.deepEqual(
    ended.map(({ end, exits }) => [end, exits.kind]),
    [["node_lost", "lease_expired"]],
  );
  assert.deepEqual(
    changes.map(({ actor, what, cause }) => [actor, what, cause]),
    [["contrail", "allocation ended: node_lost", "runner b was lost: why"]],
  );
  assert.deepEqual([play.state(), play.trial().restarts], ["queued", 0]);
  play.run();
  assert.deepEqual([play.trial().run, play.trial().step], [2, 2]);
});

test("the run has moved on: what the old one still says decides nothing, and a second loss of it neither", () => {
  const play = new Play(specWith(randomSearch(1))).run();
  play.do({ ...lost, run: 1 });
  play.run();
  const before = JSON.stringify(play.trial());
  for (const event of [
    { type: "report", trial: 1, run: 1, step: 9, metrics: { loss: 0.1 } },
    { type: "checkpoint", trial: 1, run: 1, step: 9, tree: "t" },
    { type: "exited", trial: 1, run: 1, end: exitOf() },
    { ...lost, run: 1 },
  ] as const)
    assert.deepEqual(play.do(event).ended, []);
  assert.equal(JSON.stringify(play.trial()), before);
});

test("one that was to end is over, for the reason that it had", () => {
  const play = new Play(specWith(randomSearch(1))).run();
  play.do({ type: "user", verb: "kill", trial: 1, actor: "ada" });
  assert.equal(play.state(), "stopping");
  play.do({ ...lost, run: 1 });
  assert.equal(play.trial().over, "killed_by_user");
});
