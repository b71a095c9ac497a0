import assert from "node:assert/strict";
import { test } from "node:test";
import type { Curve } from "../../../src/protocol/api.ts";
import { brushed, chosenCurves, valueAtStep } from "./chosen-curves.ts";

const curve = (number: number, ...points: Curve["points"]): Curve => ({
  ...{ trial: `1.${number}`, state: "running", points },
});
const items = [
  curve(3, [1, 0.5], [3, 0.1]),
  curve(1, [1, 0.75]),
  curve(2, [2, "NaN"], [4, 0.25]),
  curve(4),
];

test("the best few of those kept", () => {
  const ids = (curves: readonly Curve[]): string[] => curves.map(({ trial }) => trial);
  assert.deepEqual(ids(chosenCurves(items, { top: "all", kept: undefined })), ids(items));
  assert.deepEqual(ids(chosenCurves(items, { top: "5", kept: new Set([1, 3]) })), ["1.3", "1.1"]);
  const many = Array.from({ length: 30 }, (_, i) => curve(i + 1));
  assert.equal(chosenCurves(many, { top: "10", kept: undefined }).length, 10);
});

test("a brush keeps what passes through it, between two reports as well", () => {
  assert.equal(valueAtStep(items[0]?.points ?? [], 2), 0.3);
  assert.equal(valueAtStep(items[1]?.points ?? [], 2), undefined);
  assert.equal(valueAtStep(items[2]?.points ?? [], 3), undefined);
  assert.deepEqual(brushed(items, { x: 1, low: 0.4, high: 1 }), [3, 1]);
  assert.deepEqual(brushed(items, { x: 2, low: 0, high: 0.5 }), [3]);
});
