import assert from "node:assert/strict";
import { test } from "node:test";
import { ashaSearch, Play, specWith } from "../core/lifecycle/lifecycle-fixtures.test.ts";
import type { LiveExperiment } from "./live-experiment.ts";
import { isCurrent, liveRungs } from "./live-rungs.ts";

const liveOf = (play: Play, searchEvents: number): LiveExperiment =>
  ({ id: 5, x: play.x, searchEvents }) as unknown as LiveExperiment;

test("rungs are laid out once for all who look, and again when the search has heard something", () => {
  const play = new Play(specWith(ashaSearch()));
  const live = liveOf(play, 1);
  const first = liveRungs(live);
  assert.equal(liveRungs(live), first);
  assert.ok(isCurrent(first, live));
  assert.deepEqual(
    first.rungs.map(({ step, entries }) => [step, entries.length]),
    [
      [3, 0],
      [9, 0],
    ],
  );
  live.searchEvents += play.run().report(3, 0.5).searchLog.length;
  assert.ok(!isCurrent(first, live));
  const second = liveRungs(live);
  assert.deepEqual(
    second.rungs[0]?.entries.map(({ trial, objective }) => [trial, objective]),
    [["5.1", 0.5]],
  );
  assert.deepEqual(first.rungs[0]?.entries, [], "what was handed out stays as it was");
});

test("one that was loaded again may have taken back what was shown, at the same count of events", () => {
  const play = new Play(specWith(ashaSearch()));
  const shown = liveRungs(liveOf(play, 1));
  const again = liveOf(new Play(specWith(ashaSearch())), 1);
  assert.ok(!isCurrent(shown, again));
  assert.notEqual(liveRungs(again), shown);
  assert.ok(!isCurrent(undefined, again));
});
