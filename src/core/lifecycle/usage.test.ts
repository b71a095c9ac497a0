/** A task that nobody uses is paused with a cause of its own, and comes back like from any pause. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Play, randomSearch, specWith, TERMINATED } from "./lifecycle-fixtures.test.ts";

const usage = (idleSinceMs: number | null, expired: boolean, run = 1) =>
  ({ type: "usage", trial: 1, run, idleSinceMs, expired }) as const;

test("while it may be idle that is known, and nothing follows from it", () => {
  const play = new Play(specWith(randomSearch(1))).run();
  play.do(usage(play.nowMs - 70_000, false));
  assert.equal(play.trial().allocation?.unusedSinceMs, play.nowMs - 70_000);
  assert.equal(play.state(), "running");
  play.do(usage(null, false));
  assert.equal(play.trial().allocation?.unusedSinceMs, undefined);
});

test("when it was idle for too long it is paused, gives its slots back, and goes on when it is activated", () => {
  const play = new Play(specWith(randomSearch(1))).run();
  const { changes } = play.do(usage(play.nowMs - 1_800_000, true));
  assert.deepEqual([play.x.core.run, play.state()], ["paused", "pausing"]);
  const [change] = changes;
  assert.deepEqual([change?.actor, change?.what], ["idle", "paused"]);
  assert.match(change?.cause ?? "", /nobody used it for 30 minutes, .*task\.idle_timeout/);
  play.exit(TERMINATED);
  assert.deepEqual([play.state(), play.trial().restarts], ["paused", 0]);
  play.user("activate");
  assert.equal(play.state(), "queued");
});

test("what an earlier run says of it, or one that ends already, changes nothing", () => {
  const play = new Play(specWith(randomSearch(1))).run();
  play.do(usage(0, true, 7));
  assert.equal(play.x.core.run, "active");
  play.user("cancel");
  play.do(usage(0, true));
  assert.equal(play.x.core.run, "stopping");
});
