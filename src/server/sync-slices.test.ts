/** A request cut into slices says the same, in the same order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RunnerEvent } from "../protocol/runner-wire.ts";
import { nextSliceValues, type Slice, slicesOf, VALUES_A_SLICE_MIN } from "./sync-slices.ts";

const report = (seq: number, count: number): RunnerEvent => ({
  ...{ type: "report", seq, atMs: seq, step: seq },
  metrics: Object.fromEntries(Array.from({ length: count }, (_, at) => [`m${at}`, at])),
});
const waiting = (seq: number): RunnerEvent => ({ type: "waiting", seq, atMs: seq, step: seq });

const shape = (slice: Slice): string =>
  "ahead" in slice
    ? `${slice.ahead.id} ahead ${slice.ahead.metrics.length}`
    : slice.allocations.map(({ id, events }) => `${id}:${events.map((e) => e.seq)}`).join(" ");

const check = (sizes: Record<string, number[]>, expected: string[]): void => {
  const allocations = Object.entries(sizes).map(([id, counts]) => ({
    ...{ id, fence: 1 },
    events: counts.map((count, at) => report(at + 1, count)),
  }));
  assert.deepEqual(
    [...slicesOf(allocations, { valuesMax: () => 10, aheadMax: 10 }).slices].map(shape),
    expected,
  );
};

test("a request is cut where a slice is full, also between the events of an allocation", () => {
  check({}, [""]);
  check({ a: [] }, ["a:"]);
  check({ a: [5, 5], b: [] }, ["a:1,2 b:"]);
  check({ a: [5, 6], b: [4] }, ["a:1", "a:2 b:1"]);
  check({ a: [10], b: [1] }, ["a:1 b:", "b:1"]);
});

test("the metrics of a report larger than a slice go ahead of it, and of those before it", () => {
  check({ a: [3, 25, 3] }, ["a:1", "a ahead 10", "a ahead 10", "a ahead 5", "a:2,3"]);
  check({ a: [11] }, ["a ahead 10", "a ahead 1", "a:1"]);
});

test("slices put together are the request, and none is larger than it may be", () => {
  const events = fc
    .array(fc.oneof(fc.constant(-1), fc.nat(30)), { maxLength: 12 })
    .map((sizes) => sizes.map((size, at) => (size < 0 ? waiting(at + 1) : report(at + 1, size))));
  const requests = fc
    .array(events, { maxLength: 5 })
    .map((all) => all.map((events, at) => ({ id: `1.${at}.1`, fence: 1, events })));
  fc.assert(
    fc.property(
      requests,
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 20 }),
      (allocations, sizes, aheadMax) => {
        let valuesMax = 0;
        let asked = 0;
        const { slices, ahead } = slicesOf(allocations, {
          aheadMax,
          valuesMax: () => {
            valuesMax = sizes[asked++ % sizes.length] as number;
            return valuesMax;
          },
        });
        let isLast = false;
        const told = new Map<string, RunnerEvent[]>();
        const early = new Map<RunnerEvent, Record<string, unknown>>();
        for (const slice of slices) {
          const max = "ahead" in slice ? aheadMax : valuesMax;
          assert.ok(slice.values <= max, `${slice.values} values in a slice of ${max}`);
          assert.equal(isLast, false);
          isLast = slice.isLast;
          if ("ahead" in slice) {
            const { id, event, metrics } = slice.ahead;
            assert.equal(told.get(id)?.at(-1)?.seq ?? 0, event.seq - 1, "all before it is told");
            early.set(event, { ...early.get(event), ...Object.fromEntries(metrics) });
          } else
            for (const { id, events } of slice.allocations)
              told.set(id, [...(told.get(id) ?? []), ...events]);
        }
        assert.deepEqual(
          [...told],
          allocations.map(({ id, events }) => [id, events]),
        );
        assert.equal(isLast, true);
        assert.deepEqual([...early.keys()], [...ahead]);
        for (const [event, metrics] of early)
          assert.deepEqual(event.type === "report" && event.metrics, metrics);
      },
    ),
    { seed: 20261123 },
  );
});

test("a slice grows while nobody waits, up to a bound, and is small again as soon as somebody does", () => {
  const sizes = [VALUES_A_SLICE_MIN];
  for (let turn = 0; turn < 6; turn++) sizes.push(nextSliceValues(sizes.at(-1) as number, false));
  assert.deepEqual(sizes, [250, 500, 1_000, 2_000, 2_500, 2_500, 2_500]);
  assert.equal(nextSliceValues(2_500, true), VALUES_A_SLICE_MIN);
});
