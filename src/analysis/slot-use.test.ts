import assert from "node:assert/strict";
import { test } from "node:test";
import { slotUse } from "./slot-use.ts";

const at = (second: number): string => new Date(second * 1000).toISOString();
const grant = (trial: string, slots: string[], from: number, to: number | null) => ({
  ...{ id: `${trial}.1`, trial, slots },
  ...{ created_at: at(from), ended_at: to === null ? null : at(to) },
});

test("one lane a slot, in the order of their numbers, with idle time between the spans", () => {
  const use = slotUse(
    [
      grant("1.1", ["cpu:10", "cpu:2"], 0, 10),
      grant("1.3", ["cpu:2"], 16, 20),
      grant("1.2", ["cpu:10"], 10, 20),
    ],
    99_000,
  );
  assert.ok(use);
  assert.deepEqual(
    use.lanes.map(({ slot, spans }) => [slot, spans.map(({ grant: { trial } }) => trial)]),
    [
      ["cpu:2", ["1.1", "1.3"]],
      ["cpu:10", ["1.1", "1.2"]],
    ],
  );
  assert.deepEqual([use.fromMs, use.toMs, use.spans], [0, 20_000, 3]);
  assert.equal(use.busyShare, (14 + 20) / 40);
  assert.deepEqual(use.longestIdle, { slot: "cpu:2", fromMs: 10_000, toMs: 16_000 });
});

test("what is still open goes to now", () => {
  const use = slotUse([grant("1.1", ["cpu:0"], 0, null), grant("1.2", ["cpu:1"], 0, 5)], 8000);
  assert.equal(use?.toMs, 8000);
  assert.equal(use?.lanes[0]?.spans[0]?.isOpen, true);
  assert.deepEqual(use?.longestIdle, { slot: "cpu:1", fromMs: 5000, toMs: 8000 });
  assert.equal(slotUse([], 5), undefined);
});
