import assert from "node:assert/strict";
import { test } from "node:test";
import { Play, randomSearch, specWith } from "../../core/lifecycle/lifecycle-fixtures.test.ts";
import type { LiveExperiment } from "../live-experiment.ts";
import { World } from "../world.ts";
import { jobViews } from "./job-view.ts";
import { waitReason } from "./wait-reasons.ts";

const SLOT = { kind: "cpu", runner: "local", node: "here", description: "" } as const;

/** Experiment 1, of three trials of which the first runs, in a pool of one slot; how often that was planned. */
function stand(isJob: boolean) {
  const play = new Play(specWith(randomSearch(3))).run(1);
  const world = new World([{ ...SLOT, id: "cpu:0", pool: "a" }], 0, [
    { name: "a", engine: "any", jobs: isJob, perJob: null, defaults: {} },
  ]);
  const allocation = { runner: "a.1.1.1", slots: ["cpu:0"], startedAtMs: null as number | null };
  world.adopt({
    ...{ id: 1, row: { created_at: new Date(0) }, x: play.x, priority: 42, pool: "a" },
    ...{ slotsMax: undefined, trials: new Map(), allocations: new Map([[1, allocation]]) },
  } as unknown as LiveExperiment);
  const plan = world.plan.bind(world);
  const planned = { times: 0 };
  world.plan = (...asked) => {
    planned.times += 1;
    return plan(...asked);
  };
  const clock = { nowMs: () => play.nowMs, monotonicMs: () => 0, after: () => () => undefined };
  const nodes = { why: (runner: string) => `${runner} is pending` };
  const reasonOf = (trial: number, experiment = 1) =>
    waitReason({ world, clock, nodes }, experiment, trial);
  const counts = () => jobViews({ world, clock, nodes }).map((job) => [job.running, job.queued]);
  return { play, world, allocation, planned, reasonOf, counts };
}

test("the pool is planned for a trial that wants slots, once a turn, and for no other", () => {
  const { play, world, planned, reasonOf } = stand(false);
  assert.equal(reasonOf(1), undefined, "it runs");
  assert.equal(reasonOf(9), undefined, "there is none");
  assert.equal(reasonOf(1, 2), undefined, "over and gone from memory");
  assert.equal(planned.times, 0);
  assert.equal(reasonOf(2), "needs 1 slot; 0 of 1 are free");
  assert.equal(reasonOf(3), "behind 1.2, which needs 1 slot");
  assert.equal(planned.times, 1);
  play.user("pause");
  world.durable(0);
  assert.equal(reasonOf(2), undefined);
  assert.equal(planned.times, 2);
});

test("of who has slots and has not started the engine says why, where it takes jobs", () => {
  const job = stand(true);
  assert.equal(job.reasonOf(1), "a.1.1.1 is pending");
  job.allocation.startedAtMs = 1;
  assert.equal(job.reasonOf(1), undefined);
  assert.equal(stand(false).reasonOf(1), undefined);
  const gone = stand(true);
  (gone.world.pools as Map<string, unknown>).delete("a");
  (gone.world.pools as Map<string, unknown>).set("b", {});
  assert.match(gone.reasonOf(1) ?? "", /^there is no pool a on this server any more; .*: b$/);
  assert.equal(job.planned.times, 0);
});

test("a trial whose job waits in its engine's queue counts as queued, and not as running besides", () => {
  const job = stand(true);
  assert.deepEqual(job.counts(), [[0, 3]]);
  job.allocation.startedAtMs = 1;
  assert.deepEqual(job.counts(), [[1, 2]]);
  assert.deepEqual(stand(false).counts(), [[1, 2]]);
});
