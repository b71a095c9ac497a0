import assert from "node:assert/strict";
import { test } from "node:test";
import { endStateName } from "../core/lifecycle/trial.ts";
import { warnOfMissingPools } from "./missing-pools.ts";
import { worldWith } from "./orders-fixtures.test.ts";
import { Turn, World } from "./world.ts";

const SLOT = { kind: "cpu", runner: "local", node: "here", description: "" } as const;

/** Experiment 1 of three trials, two of which wait for their jobs, on a server whose only pool is another now. */
function moved() {
  const { world: before, create } = worldWith({}, { jobs: true });
  const turn = new Turn(0);
  const live = create(turn);
  before.schedule(turn);
  assert.equal(live.allocations.size, 2);
  const pool = { name: "here", engine: "local", jobs: false, perJob: null, defaults: {} };
  const world = new World([{ ...SLOT, id: "cpu:9", pool: "here" }], 0, [pool]);
  world.adopt(live);
  const user = (verb: "pause" | "cancel", trial?: number) => {
    const next = new Turn(1);
    const who = trial === undefined ? {} : { trial };
    world.apply(next, live, { type: "user", verb, actor: "ada", ...who });
    world.schedule(next);
  };
  return { world, live, user };
}

test("who waits for slots of a pool that is gone is told so, and the server knows whom", () => {
  const { world } = moved();
  assert.deepEqual(
    [...world.waits.in("default", 0).values()].map(({ task, reason }) => [task.id, reason]),
    [["1.3", { code: "no_pool", pool: "default", pools: ["here"] }]],
  );
  const told: unknown[] = [];
  warnOfMissingPools(world, { warn: (...words: unknown[]) => told.push(words) });
  const text =
    "there is no pool default on this server any more; there are: here; experiments that live need it";
  assert.deepEqual(told, [[{ pool: "default", experiments: [1] }, text]]);
});

test("what never started ends when it is told to go, and not before", () => {
  const { world, live, user } = moved();
  world.schedule(new Turn(0));
  assert.deepEqual([...live.allocations.keys()], [1, 2]);
  user("pause", 1);
  assert.deepEqual([...live.allocations.keys()], [2]);
  const [paused] = live.x.trials.values();
  assert.deepEqual([paused?.over, paused?.restarts, paused?.userHold], [null, 0, true]);
  user("cancel");
  assert.equal(live.x.core.run, "canceled");
  for (const { over } of live.x.trials.values())
    assert.equal(over && endStateName(over), "canceled");
});

test("a runner that has spoken ends its allocation itself", () => {
  const { world, live, user } = moved();
  world.runners.get(live.allocations.get(1)?.runner as string);
  user("cancel");
  assert.deepEqual([[...live.allocations.keys()], live.x.core.run], [[1], "stopping"]);
});
