import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { heard, isOverdue, look, lookEveryMs, type Silence, startSilence } from "./silence.ts";

const DEADLINE_MS = 60_000;

/** Looks as often as it should. */
function watch(from: Silence, forMs: number): Silence {
  let silence = from;
  for (let ms = 0; ms < forMs; ms += lookEveryMs(from.deadlineMs))
    silence = look(silence, silence.seenMs + lookEveryMs(from.deadlineMs));
  return silence;
}

test("who says nothing for longer than the deadline is overdue, and not a moment before", () => {
  const start = startSilence(DEADLINE_MS, 5);
  assert.equal(isOverdue(watch(start, DEADLINE_MS)), false);
  assert.equal(isOverdue(watch(start, DEADLINE_MS + 1)), true);
});

test("each word begins the time anew", () => {
  let silence = startSilence(DEADLINE_MS, 0);
  for (let i = 0; i < 20; i++) {
    silence = watch(silence, DEADLINE_MS - 1_000);
    assert.equal(isOverdue(silence), false);
    silence = heard(silence, silence.seenMs);
  }
});

test("time that nobody watched does not count: a machine that slept for a year has waited two looks", () => {
  const silence = look(startSilence(DEADLINE_MS, 0), 365 * 86_400_000);
  assert.equal(silence.silentMs, 2 * lookEveryMs(DEADLINE_MS));
  assert.equal(isOverdue(silence), false);
});

test("a short deadline is looked at in portions of its own", () => {
  assert.equal(lookEveryMs(100), 10);
  assert.equal(lookEveryMs(86_400_000), 1_000);
  assert.equal(lookEveryMs(0.001), 1);
});

test("whatever the looks: never overdue before the deadline has passed, by any clock that does not run back", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.record({ afterMs: fc.nat(5_000), speaks: fc.boolean() }), { maxLength: 200 }),
      (deadlineMs, looks) => {
        let silence = startSilence(deadlineMs, 0);
        let [nowMs, spokeMs] = [0, 0];
        for (const { afterMs, speaks } of looks) {
          nowMs += afterMs;
          silence = speaks ? heard(silence, nowMs) : look(silence, nowMs);
          if (speaks) spokeMs = nowMs;
          if (isOverdue(silence)) assert.ok(nowMs - spokeMs > deadlineMs);
        }
      },
    ),
    { seed: 20261123 },
  );
});
