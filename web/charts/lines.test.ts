import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type LaidOut, layOut, lineOf, nearestLine, valuesAt } from "./lines.ts";

const area = { left: 50, right: 1050, top: 10, bottom: 310 };
const ticks = { x: 7, y: 5 };

function laidOut(
  curves: readonly (readonly (readonly [number, number])[])[],
  how: { isLogY?: boolean; range?: readonly [number, number] } = {},
): LaidOut {
  const lines = curves.map((points, i) => lineOf({ id: `1.${i + 1}`, label: "" }, points));
  const found = layOut({
    ...{ lines, area, ticks, isLogY: how.isLogY ?? false, range: how.range },
  });
  assert.ok(found);
  return found;
}

test("what is not finite is left out, and what is not positive of a logarithmic axis", () => {
  const points = [
    [1, 4],
    [2, Number.NaN],
    [3, Number.POSITIVE_INFINITY],
    [4, -1],
    [5, 2],
  ] as const;
  assert.deepEqual([...laidOut([points]).start], [0, 3]);
  assert.deepEqual([...laidOut([points], { isLogY: true }).start], [0, 2]);
  const none = lineOf({ id: "1.1", label: "" }, [[1, Number.NaN]]);
  const layout = { lines: [none], area, ticks, isLogY: false, range: undefined };
  assert.equal(layOut(layout), undefined);
});

test("a stretch keeps the points in it and one beside it, and its own values set the axis", () => {
  const rising = Array.from({ length: 100 }, (_, i) => [i + 1, i + 1] as const);
  const found = laidOut([rising], { range: [40, 50] });
  assert.equal(found.start[1], 12);
  assert.deepEqual([found.y.low, found.y.high], [40, 50]);
  assert.ok((found.px[0] as number) < area.left);
});

test("whoever points at a line is told this line, at its nearest point", () => {
  const found = laidOut([
    [
      [1, 1],
      [11, 1],
    ],
    [
      [1, 2],
      [11, 2],
    ],
    [[6, 1.5]],
  ]);
  const [x, low, high] = [area.left, found.py[0] as number, found.py[2] as number];
  assert.deepEqual(nearestLine(found, [x + 100, low - 3], 24), { index: 0, x: 1, y: 1 });
  assert.deepEqual(nearestLine(found, [x + 900, high + 3], 24), { index: 1, x: 11, y: 2 });
  assert.deepEqual(nearestLine(found, [550, 160], 24), { index: 2, x: 6, y: 1.5 });
  assert.equal(nearestLine(found, [750, 160], 24), undefined);
  // Of two that lie on each other the one on top.
  const same = laidOut([[[1, 1]], [[1, 1]]]);
  assert.equal(nearestLine(same, [same.px[0] as number, same.py[0] as number], 24)?.index, 1);
});

test("any point of any line can be pointed at, and a place says the values that stand there", () => {
  const curve = fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(fc.array(curve, { minLength: 1, maxLength: 20 }), fc.nat(), (curves, at) => {
      const points = curves.map((values) => values.map((value, i) => [i + 1, value] as const));
      const found = laidOut(points);
      const k = at % found.px.length;
      const place = [found.px[k] as number, found.py[k] as number] as const;
      const own = found.lines.findIndex((_, i) => (found.start[i + 1] as number) > k);
      const [step, value] = points[own]?.[found.of[k] as number] ?? [0, 0];
      const hit = nearestLine(found, place, 24);
      // Another line only where it lies on top of this one at the same place.
      assert.ok(hit && hit.index >= own);
      if (hit.index === own) assert.deepEqual([hit.x, hit.y], [step, value]);
      const values = valuesAt(found, place);
      assert.ok(Math.abs(values.x - step) < 1e-2 && Math.abs(values.y - value) < 1e-1);
    }),
    { seed: 20261123 },
  );
});
