import assert from "node:assert/strict";
import { test } from "node:test";
import { makeRoom, type Room, type Still } from "./make-room.ts";
import { planStarts, type WaitReason } from "./plan.ts";

const still = (trial: number, due: number, { group = 1, slots = 1 } = {}): Still => ({
  ...{ group, trial, slots, due },
});
const noSlot = (needed: number): WaitReason => ({
  code: "no_free_slot",
  needed,
  free: 0,
  total: 8,
  withheld: 0,
});
const wait = (slots: number, { group = 2, reason = noSlot(slots) } = {}) => ({
  task: { group, slots },
  reason,
});

function gone(room: Partial<Room>): string {
  const all = makeRoom({ waits: [], free: 0, leaving: [], still: [], ...room });
  return all.map(({ group, trial }) => `${group}.${trial}`).join(" ");
}

test("only as many give way as slots are missing, whoever is needed last first", () => {
  const three = [still(1, 3), still(2, 9), still(3, 1)];
  assert.equal(gone({ still: three }), "", "nobody waits");
  assert.equal(gone({ still: three, waits: [wait(1)] }), "1.2");
  assert.equal(gone({ still: three, waits: [wait(1), wait(1)] }), "1.2 1.1");
  assert.equal(gone({ still: three, waits: [wait(4)] }), "1.2 1.1 1.3");
  assert.equal(
    gone({ still: [still(1, 3), still(2, 3)], waits: [wait(1)] }),
    "1.2",
    "ties: the younger",
  );
});

test("slots that are free or on their way count as there", () => {
  const two = [still(1, 3), still(2, 9)];
  assert.equal(gone({ still: two, waits: [wait(2)], free: 1 }), "1.2");
  assert.equal(gone({ still: two, waits: [wait(2)], leaving: [{ group: 5, slots: 2 }] }), "");
});

test("a trial of several slots frees them all", () => {
  const wide = [still(1, 3, { slots: 4 }), still(2, 1)];
  assert.equal(gone({ still: wide, waits: [wait(1), wait(1), wait(1)] }), "1.1");
});

test("who waits for time or for others of its own experiment moves nobody else", () => {
  const both = [still(1, 3), still(1, 9, { group: 2 })];
  const backoff: WaitReason = { code: "backoff", untilMs: 5 };
  assert.equal(gone({ still: both, waits: [wait(1, { reason: backoff })] }), "");
  const bounded: WaitReason = { code: "slots_max", max: 2, held: 2 };
  assert.equal(gone({ still: both, waits: [wait(1, { group: 1, reason: bounded })] }), "1.1");
  const leaving = [{ group: 1, slots: 1 }];
  assert.equal(gone({ still: both, leaving, waits: [wait(1, { group: 1, reason: bounded })] }), "");
});

test("trials of a deterministic search start in the order in which their results count", () => {
  const task = (number: number, due?: number) => ({
    ...{ id: `1.${number}`, group: 1, slots: 1, priority: 42, submittedAtMs: 0, number },
    ...{ notBeforeMs: 0, ...(due === undefined ? {} : { due }) },
  });
  const started = (queue: ReturnType<typeof task>[]) =>
    planStarts({
      ...{ queue, nowMs: 1 },
      runners: [{ runner: "r", free: ["a", "b"], total: 2, withheld: false }],
      ...{ slotsMax: new Map(), held: new Map() },
    }).starts.map(({ task: { number } }) => number);
  assert.deepEqual(started([task(1, 9), task(2, 3), task(3, 1)]), [3, 2]);
  assert.deepEqual(started([task(3), task(1), task(2)]), [1, 2]);
});
