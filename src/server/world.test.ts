import assert from "node:assert/strict";
import { test } from "node:test";
import { CRASH, Play, randomSearch, specWith } from "../core/lifecycle/lifecycle-fixtures.test.ts";
import { RETRY_DELAY_MS_MAX } from "../core/lifecycle/trial.ts";
import type { LiveExperiment } from "./live-experiment.ts";
import { worldWith } from "./orders-fixtures.test.ts";
import { needsTicks, Turn, World } from "./world.ts";

const slot = (id: string) => ({
  id,
  kind: "cpu" as const,
  runner: "local",
  node: "here",
  pool: "default",
  description: "",
});

/** A world that holds one experiment, for looking at what is planned. */
function worldOf(play: Play): World {
  const world = new World([slot("cpu:0"), slot("cpu:1")]);
  world.adopt({
    id: 1,
    row: { created_at: new Date(0) },
    x: play.x,
    priority: 42,
    slotsMax: undefined,
    pool: "default",
    trials: new Map(),
    allocations: new Map(),
  } as unknown as LiveExperiment);
  return world;
}

test("ticks: for a trial that waits after a failure, however late; for budgets of time; not otherwise", () => {
  const idle = new Play(specWith(randomSearch(2)));
  assert.equal(needsTicks(idle.x, false), false);
  assert.equal(needsTicks(idle.x, true), true);
  const failed = new Play(specWith(randomSearch(2))).run();
  failed.exit(CRASH);
  assert.equal(needsTicks(failed.x, false), true);
  failed.run();
  assert.equal(needsTicks(failed.x, false), false, "it runs again");
  failed.exit(CRASH);
  failed.user("pause");
  assert.equal(needsTicks(failed.x, true), false, "paused");
  for (const budget of [
    { timeMs: 1e9 },
    { slotHours: 1 },
    { money: { max: 1, perSlotHour: 1, currency: "EUR" } },
    { energy: { maxKwh: 1, wattsPerSlot: 1 } },
  ])
    assert.equal(needsTicks(new Play(specWith(randomSearch(1), { budget })).x, false), true);
});

test("a backoff is waited for, but not for the time by which the wall clock was set back", () => {
  const play = new Play(specWith(randomSearch(1))).run();
  play.exit(CRASH);
  const world = worldOf(play);
  const { retryAtMs } = play.trial();
  const starts = (nowMs: number) => world.plan("default", nowMs).starts.length;
  assert.deepEqual([starts(play.nowMs), starts(retryAtMs - 1), starts(retryAtMs)], [0, 0, 1]);
  assert.equal(starts(retryAtMs - RETRY_DELAY_MS_MAX), 0);
  assert.equal(starts(play.nowMs - 60_000), 1);
});

test("trials that want slots are in the queue, with their experiment's priority, and no others", () => {
  const play = new Play(specWith(randomSearch(4), { slotsPerTrial: 2 })).run(1);
  play.user("pause", 2);
  play.user("kill", 3);
  const { queue } = worldOf(play).snapshot("default", play.nowMs);
  assert.deepEqual(
    queue.map(({ id, slots, priority }) => [id, slots, priority]),
    [["1.4", 2, 42]],
  );
  play.user("pause");
  assert.deepEqual(worldOf(play).snapshot("default", play.nowMs).queue, []);
});

test("slots that lie free on a lost runner are no reason to plan; those of one that is heard are", () => {
  const play = new Play(specWith(randomSearch(1))).run();
  play.exit(CRASH);
  const world = worldOf(play);
  let plans = 0;
  const plan = world.plan.bind(world);
  world.plan = (...asked) => {
    plans += 1;
    return plan(...asked);
  };
  const plansOfTurn = (standing: "held" | "lost"): number => {
    const runner = world.runners.get("local");
    runner.lease = { ...runner.lease, standing };
    plans = 0;
    world.schedule(new Turn(play.nowMs));
    return plans;
  };
  assert.deepEqual([plansOfTurn("held"), plansOfTurn("lost")], [1, 0]);
});

test("what a pool of jobs grants is in use from the start of its program only", () => {
  for (const [jobs, queued] of [
    [true, true],
    [false, undefined],
  ] as const) {
    const { world, create } = worldWith({}, { jobs });
    const turn = new Turn(0);
    const live = create(turn);
    world.schedule(turn);
    assert.equal(live.x.trials.get(1)?.allocation?.queued, queued);
  }
});

test("slots held that are not there any more keep nobody from those that lie free", () => {
  const play = new Play(specWith(randomSearch(1))).run();
  play.exit(CRASH);
  const world = worldOf(play);
  // Of a pool that was taken out of the file, or a machine that came back with fewer.
  for (const gone of ["cluster:0", "cluster:1"])
    world.holders.set(gone, { experiment: 7, trial: 1, run: 1, sinceMs: 0 });
  play.nowMs = play.trial().retryAtMs;
  const started: number[] = [];
  world.apply = (_turn, _live, event) => {
    if (event.type === "granted") started.push(event.trial);
    return play.do(event);
  };
  world.schedule(new Turn(play.nowMs));
  assert.deepEqual(started, [1]);
});

test("what was heard of ended allocations is remembered for the latest of them", () => {
  const world = new World([]);
  for (let id = 1; id <= 10_001; id++) world.noteAcked(id, 5);
  assert.equal(world.endedAcked.size, 10_000);
  assert.deepEqual(
    [world.ackedOf({ id: 1, acked: 3 }), world.ackedOf({ id: 2, acked: 3 })],
    [3, 5],
  );
  assert.equal(world.ackedOf({ id: 2, acked: 9 }), 9, "the database may know better");
});
