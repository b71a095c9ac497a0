import assert from "node:assert/strict";
import { test } from "node:test";
import pino from "pino";
import type { Engine, RunnerSpec } from "../../engines/engine.ts";
import { ManualClock } from "./manual-clock.ts";
import { startRunnerLoop } from "./runner-loop.ts";

test("a runner that is gone is replaced, as often as it takes, until the loop is stopped", async () => {
  const clock = new ManualClock();
  const seen: string[] = [];
  let alive = true;
  let fails = false;
  const engine = {
    observe: () => ({ state: alive ? "alive" : "gone" }),
    ensureRunner: async (spec: RunnerSpec) => {
      seen.push(spec.runnerId);
      if (fails) throw new Error("no process could be made");
      alive = true;
      return { pid: 7, adopted: false };
    },
  } as unknown as Engine;
  const spec = { dataDir: "/data", runnerId: "local" } as RunnerSpec;
  const loop = await startRunnerLoop({ engine, clock, log: pino({ level: "silent" }), spec });
  assert.deepEqual(seen, ["local"]);
  await clock.ring();
  assert.equal(seen.length, 1, "alive: left alone");
  alive = false;
  fails = true;
  await clock.ring();
  await clock.ring();
  assert.equal(seen.length, 3, "a failure is not the end");
  fails = false;
  await clock.ring();
  await clock.ring();
  assert.equal(seen.length, 4);
  loop.stop();
  alive = false;
  await clock.ring();
  assert.deepEqual([seen.length, clock.timers.size], [4, 0]);
});

test("a server that cannot start its runner at all does not start", async () => {
  const engine = {
    ensureRunner: async () => {
      throw new Error("no process could be made");
    },
  } as unknown as Engine;
  const clock = new ManualClock();
  const start = startRunnerLoop({
    engine,
    clock,
    log: pino({ level: "silent" }),
    spec: {} as RunnerSpec,
  });
  await assert.rejects(start, /no process could be made/);
  assert.equal(clock.timers.size, 0);
});
