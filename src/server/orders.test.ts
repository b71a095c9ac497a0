/** What a runner is told while a turn is being committed, and what the scheduler makes of a budget that a grant reaches. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OrderWaiters } from "./orders.ts";
import { worldWith } from "./orders-fixtures.test.ts";
import { Turn } from "./world.ts";

test("orders whose successor is being committed are not passed over", () => {
  const { world, create, heard } = worldWith();
  const first = new Turn(1000);
  const live = create(first);
  world.schedule(first);
  world.ordersDurable = first.ordersVersion;
  assert.deepEqual(heard(0).ids, ["1.1.1", "1.2.1"]);

  // While this turn is under way nobody knows which orders of 1.1 will hold.
  const second = new Turn(2000);
  world.apply(second, live, { type: "user", verb: "pause", trial: 1, actor: "ada" });
  const now = heard(0);
  assert.ok(!now.ids.includes("1.1.1"));
  const before = live.allocations.get(1)?.ordersBefore ?? 0;
  assert.ok(now.ordersVersion < before, "it has to be asked for again");
  // Whoever has heard the old ones hears of the rest.
  assert.equal(heard(before).ordersVersion, world.ordersDurable);

  world.ordersDurable = second.ordersVersion;
  assert.ok(heard(now.ordersVersion).ids.includes("1.1.1"));
});

test("orders of an allocation that is just being given up are not passed over", () => {
  const { world, create, heard } = worldWith();
  const first = new Turn(1000);
  const live = create(first);
  world.schedule(first);
  world.durable(first.ordersVersion);
  const version = live.allocations.get(1)?.ordersVersion ?? 0;

  // If this turn fails, the allocation lives on, and its runner has still not heard of it.
  const second = new Turn(2000);
  world.apply(second, live, { type: "lost", trial: 1, run: 1, reason: "its runner is silent" });
  assert.ok(heard(0).ordersVersion < version, "it has to be asked for again");
  assert.equal(heard(version).ordersVersion, world.ordersDurable);
  world.durable(second.ordersVersion);
  assert.equal(heard(0).ordersVersion, world.ordersDurable);
});

test("a grant that lets its experiment reach its budget ends the rest of the plan", () => {
  const { world, create } = worldWith({ budget: { time: 1 } });
  const first = new Turn(1000);
  create(first);
  const second = new Turn(60_000);
  world.schedule(second);
  const live = world.experiments.get(1);
  assert.equal(live?.allocations.size, 1);
  assert.equal(live?.x.core.run, "stopping");
  assert.equal(world.holders.size, 1);
});

test("of a runner that has given up waiting nothing is kept, and those that wait are woken once", () => {
  const waiters = new OrderWaiters();
  const woken: string[] = [];
  const wait = (name: string) => waiters.wait("one", () => woken.push(name));
  const [first, second] = [wait("a"), wait("b")];
  waiters.wait("two", () => woken.push("c"));
  first();
  assert.equal(waiters.size, 2);
  second();
  second();
  assert.equal(waiters.size, 1, "nobody waits for the first any more");
  const third = wait("d");
  waiters.wake(new Set(["one", "three"]));
  assert.deepEqual(woken, ["d"]);
  wait("e");
  third();
  waiters.wakeAll();
  assert.deepEqual(woken, ["d", "c", "e"], "who was woken takes nobody with it when it leaves");
  assert.equal(waiters.size, 0);
});

test("a program is told that nobody will say how far to train only where that is so", () => {
  const length = { name: "single", metric: "loss", max_length: 4 };
  const time = { name: "single", metric: "loss", time_metric: "seconds", max_time: 60 };
  const table = [
    [{ name: "single", metric: "loss" }, null, true],
    [{ name: "single" }, null, true],
    [length, 4, undefined],
    [time, null, undefined],
  ] as const;
  for (const [searcher, target, openEnded] of table) {
    const { world, create, heard } = worldWith({ searcher, hyperparameters: {} });
    const turn = new Turn(1000);
    create(turn);
    world.schedule(turn);
    world.ordersDurable = turn.ordersVersion;
    const [order] = heard(0).orders;
    assert.deepEqual([order?.target, order?.launch?.openEnded], [target, openEnded]);
  }
});

test("a launch says how many cores a slot has, where its pool does", () => {
  for (const [ofPool, cores] of [
    [{ coresPerSlot: 16 }, 16],
    [{}, undefined],
  ] as const) {
    const { world, create, heard } = worldWith({}, ofPool);
    const turn = new Turn(1000);
    create(turn);
    world.schedule(turn);
    world.durable(turn.ordersVersion);
    const { orders } = heard(0);
    assert.ok(orders.length > 0);
    for (const { launch } of orders) assert.equal(launch?.coresPerSlot, cores);
  }
});
