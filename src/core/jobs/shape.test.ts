import assert from "node:assert/strict";
import { test } from "node:test";
import { fitsShape, nearestShapes, shapeOf } from "./shape.ts";

test("slots lie on one node where they fit, else on the fewest that share them evenly", () => {
  for (const [slots, perNode, nodes, each] of [
    ...[
      [1, 4, 1, 1],
      [4, 4, 1, 4],
      [8, 4, 2, 4],
      [6, 4, 2, 3],
      [5, 4, 5, 1],
      [12, 5, 3, 4],
    ],
    ...[
      [9, 8, 3, 3],
      [64, 8, 8, 8],
      [3, 2, 3, 1],
    ],
  ] as const)
    assert.deepEqual(shapeOf(slots ?? 0, perNode ?? 1), { nodes, slotsPerNode: each }, `${slots}`);
});

test("where no node can take anything a shape is found all the same", () => {
  for (const perNode of [0, Number.NaN])
    assert.deepEqual(shapeOf(4, perNode), { nodes: 4, slotsPerNode: 1 });
  assert.equal(fitsShape(4, { slotsPerNode: 0, nodes: 0, slots: 4 }), false);
});

test("every shape has the slots that were asked for, none above a node's, and no fewer nodes would do", () => {
  for (let slots = 1; slots <= 64; slots++)
    for (let perNode = 1; perNode <= 9; perNode++) {
      const shape = shapeOf(slots, perNode);
      assert.equal(shape.nodes * shape.slotsPerNode, slots);
      assert.ok(shape.slotsPerNode <= perNode);
      for (let fewer = 1; fewer < shape.nodes; fewer++)
        assert.ok(slots % fewer !== 0 || slots / fewer > perNode, `${slots} on ${fewer}`);
    }
});

test("what does not fit is told with the nearest that do", () => {
  const room = { slotsPerNode: 4, nodes: 2, slots: 8 };
  assert.deepEqual(
    [8, 6, 4].map((slots) => fitsShape(slots, room)),
    [true, true, true],
  );
  assert.deepEqual(
    [7, 5, 9].map((slots) => fitsShape(slots, room)),
    [false, false, false],
  );
  assert.deepEqual(nearestShapes(7, room), [6, 8]);
  assert.deepEqual(nearestShapes(5, room), [4, 6]);
  assert.deepEqual(nearestShapes(100, room), [8]);
  assert.deepEqual(nearestShapes(1, { slotsPerNode: 0, nodes: 0, slots: 0 }), []);
});
