import assert from "node:assert/strict";
import { test } from "node:test";
import { shapeOfTrial } from "./job-request.ts";

test("a trial that has to be on one node is asked for on one, however small nodes have become", () => {
  const one = { nodes: 1, slotsPerNode: 4 };
  const spread = { nodes: 2, slotsPerNode: 2 };
  assert.deepEqual(shapeOfTrial({ resources: { is_single_node: true } }, 4, 2), one);
  assert.deepEqual(shapeOfTrial({ task: { type: "command" } }, 4, 2), one);
  assert.deepEqual(shapeOfTrial({ resources: { is_single_node: false } }, 4, 2), spread);
  assert.deepEqual(shapeOfTrial({ resources: { is_single_node: null }, task: null }, 4, 2), spread);
  assert.deepEqual(shapeOfTrial(undefined, 4, 2), spread);
});
