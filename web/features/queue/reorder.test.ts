import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Place, priorityAfter, priorityBefore, priorityFor, queueOrder } from "./reorder.ts";

const place = fc.record({
  experiment: fc.integer({ min: 1, max: 9 }),
  priority: fc.integer({ min: 1, max: 99 }),
  submitted_at: fc
    .integer({ min: 0, max: 5 })
    .map((second) => new Date(second * 1000).toISOString()),
});

const with_ = (moved: Place, priority: number): Place => ({ ...moved, priority });

test("the priority that is given puts it before, or after, by the smallest step from there", () => {
  fc.assert(
    fc.property(place, place, (moved, target) => {
      fc.pre(moved.experiment !== target.experiment);
      const before = priorityBefore(moved, target);
      if (before === undefined) {
        assert.equal(target.priority, 1);
        assert.ok(queueOrder(with_(moved, 1), target) > 0, "not even 1 does it");
      } else {
        assert.ok(queueOrder(with_(moved, before), target) < 0);
        assert.ok(queueOrder(with_(moved, before + 1), target) > 0, "one step less does not");
      }
      const after = priorityAfter(moved, target);
      if (after === undefined) {
        assert.equal(target.priority, 99);
        assert.ok(queueOrder(with_(moved, 99), target) < 0, "not even 99 does it");
      } else {
        assert.ok(queueOrder(with_(moved, after), target) > 0);
        assert.ok(queueOrder(with_(moved, after - 1), target) < 0, "one step less does not");
      }
    }),
    { seed: 20261123 },
  );
});

test("dropped on a row it goes before it from below and after it from above", () => {
  const at = (experiment: number, priority: number, second: number): Place => ({
    ...{ experiment, priority },
    submitted_at: new Date(second * 1000).toISOString(),
  });
  const order = [at(1, 10, 1), at(2, 42, 2), at(3, 42, 3), at(4, 42, 4)];
  assert.equal(priorityFor(order, 3, 1), 41);
  assert.equal(priorityFor(order, 0, 1), 43);
  assert.equal(priorityFor(order, 1, 3), 43);
  assert.equal(priorityFor(order, 3, 0), 9);
  assert.equal(priorityFor(order, 2, 2), undefined);
  assert.equal(priorityFor(order, 2, 9), undefined);
});
