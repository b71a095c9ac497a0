import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { generator, Order, restoreStates, saveStates } from "./repeatable.ts";

const sizes = fc.record({
  items: fc.integer({ min: 1, max: 40 }),
  batch: fc.integer({ min: 1, max: 12 }),
  seed: fc.nat(),
});
const taken = (order: Order, count: number) =>
  Array.from({ length: count }, () => [...order.next()]);

describe("an order", () => {
  test("has every item once an epoch, in another order each time", () => {
    fc.assert(
      fc.property(sizes, (options) => {
        const order = new Order(options);
        const epochs = [0, 1].map(() => [...order.rest()].flatMap((batch) => [...batch]));
        for (const epoch of epochs)
          assert.deepEqual(
            epoch.toSorted((a, b) => a - b),
            Array.from({ length: options.items }, (_, item) => item),
          );
        if (options.items > 15) assert.notDeepEqual(epochs[0], epochs[1]);
      }),
      { seed: 20261123 },
    );
  });

  test("goes on from any place as if it had never stopped", () => {
    fc.assert(
      fc.property(sizes, fc.nat(30), (options, pauseAt) => {
        const whole = taken(new Order(options), 40);
        const order = new Order(options);
        const begin = taken(order, pauseAt);
        const resumed = new Order(options);
        resumed.restore(JSON.parse(JSON.stringify(order.state())));
        assert.deepEqual([...begin, ...taken(resumed, 40 - pauseAt)], whole);
      }),
      { seed: 20261123 },
    );
  });

  test("refuses a place in the middle of another order, and takes one at an end", () => {
    const order = new Order({ items: 10, batch: 5, seed: 1 });
    order.next();
    const other = new Order({ items: 10, batch: 2, seed: 1 });
    assert.throws(() => other.restore(order.state()), /batch = 5, and this order has 2/);
    order.next();
    other.restore(order.state());
    assert.deepEqual([other.epoch, other.position], [1, 0]);
  });
});

describe("a generator", () => {
  test("goes on from its state, and depends on seed and key alone", () => {
    fc.assert(
      fc.property(fc.nat(), fc.string(), fc.nat(50), (seed, key, draws) => {
        const one = generator(seed, key);
        for (let i = 0; i < draws; i++) one.normal();
        const other = generator(seed + 1);
        other.restore(JSON.parse(JSON.stringify(one.state())));
        const next = () => [one, other].map((g) => [g.unit(), g.below(1000), g.normal()]);
        for (let i = 0; i < 5; i++) {
          const [a, b] = next();
          assert.deepEqual(a, b);
        }
        assert.equal(generator(seed, key).unit(), generator(seed, key).unit());
      }),
      { seed: 20261123 },
    );
  });

  test("draws normal numbers", () => {
    const random = generator(3);
    const values = Array.from({ length: 20_000 }, () => random.normal());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    assert.ok(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.05, `${mean} ${variance}`);
  });
});

test("states are saved and restored together, and only the same ones", async () => {
  const folder = await mkdtemp(join(tmpdir(), "contrail-states-"));
  try {
    const things = { random: generator(1), order: new Order({ items: 9, batch: 2, seed: 1 }) };
    things.random.unit();
    things.order.next();
    await saveStates(folder, things);
    const again = { random: generator(2), order: new Order({ items: 9, batch: 2, seed: 1 }) };
    await restoreStates(folder, again);
    assert.equal(again.random.unit(), things.random.unit());
    assert.deepEqual(again.order.next(), things.order.next());
    await assert.rejects(restoreStates(folder, { random: again.random }), /order, random.*random/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
