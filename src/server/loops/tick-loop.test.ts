import assert from "node:assert/strict";
import { test } from "node:test";
import { CHAIN_START } from "../../store/write-batch.ts";
import { World } from "../world.ts";
import { DecisionLoop } from "./decision-loop.ts";
import { ManualClock } from "./manual-clock.ts";
import { startTickLoop } from "./tick-loop.ts";

function bench(fails: boolean) {
  const world = new World([]);
  const clock = new ManualClock();
  let asked = 0;
  const loop = new DecisionLoop({
    world,
    ledger: {
      takeOver: async () => CHAIN_START,
      holds: async () => true,
      commit: async () => CHAIN_START,
    },
    tip: CHAIN_START,
    nowMs: () => 0,
    monotonicMs: () => 0,
    reload: async () => undefined,
    onCommitted: () => undefined,
    onFailure: () => undefined,
  });
  world.schedule = () => {
    asked += 1;
    if (fails) throw new Error("planning failed");
  };
  // Only its number matters: nothing wants to be stepped in this world.
  world.experiments.set(1, { id: 1, x: { core: {} } } as never);
  world.apply = () => ({}) as never;
  return { clock, loop, asked: () => asked };
}

test("ticks come one after the other, also after one has failed, until they are stopped", async () => {
  for (const fails of [false, true]) {
    const { clock, loop, asked } = bench(fails);
    const stop = startTickLoop(loop, clock, () => true);
    for (let i = 1; i <= 3; i++) {
      assert.equal(clock.timers.size, 1);
      await clock.ring();
      assert.equal(asked(), i, "each plans, for a backoff may be over");
    }
    stop();
    await clock.ring();
    assert.deepEqual([asked(), clock.timers.size], [3, 0]);
  }
});

test("where time changes nothing nobody is disturbed", async () => {
  const { clock, loop, asked } = bench(false);
  const stop = startTickLoop(loop, clock, () => false);
  await clock.ring();
  assert.deepEqual([asked(), clock.timers.size], [0, 1]);
  stop();
});
