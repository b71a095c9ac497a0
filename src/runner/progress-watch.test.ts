/** When a silent program is said to be overdue, on a clock that goes when it is told to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../base/clock.ts";
import { ProgressWatch } from "./progress-watch.ts";

const DEADLINE_MS = 60_000;

function watched() {
  let nowMs = 0;
  let timers: { readonly atMs: number; readonly callback: () => void }[] = [];
  const clock: Clock = {
    nowMs: () => 0,
    monotonicMs: () => nowMs,
    after(delayMs, callback) {
      const timer = { atMs: nowMs + delayMs, callback };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  };
  const overdue: number[] = [];
  const state = { counts: true };
  const watch = new ProgressWatch({
    ...{ clock, deadlineMs: DEADLINE_MS, counts: () => state.counts },
    overdue: (silentMs) => overdue.push(silentMs),
  });
  /** @param stepMs how far it goes before anybody is called */
  const pass = (forMs: number, stepMs = 100): void => {
    for (const endMs = nowMs + forMs; nowMs < endMs; ) {
      nowMs = Math.min(endMs, nowMs + stepMs);
      const due = timers.filter(({ atMs }) => atMs <= nowMs);
      timers = timers.filter(({ atMs }) => atMs > nowMs);
      for (const { callback } of due) callback();
    }
  };
  return { watch, pass, overdue, state, timers: () => timers.length };
}

test("it is said once, when the deadline has passed without a word, and then nobody looks any more", () => {
  const { watch, pass, overdue, timers } = watched();
  watch.start();
  pass(DEADLINE_MS - 1_000);
  watch.heard();
  pass(DEADLINE_MS - 1_000);
  assert.deepEqual(overdue, []);
  pass(10 * DEADLINE_MS);
  assert.equal(overdue.length, 1);
  assert.ok(Math.min(...overdue) > DEADLINE_MS);
  assert.equal(timers(), 0);
});

test("who is excused has the whole deadline from the end of the excuse on", () => {
  const { watch, pass, overdue, state } = watched();
  watch.start();
  pass(DEADLINE_MS - 5_000);
  state.counts = false;
  pass(10 * DEADLINE_MS);
  state.counts = true;
  pass(DEADLINE_MS - 5_000);
  assert.deepEqual(overdue, []);
  pass(10_000);
  assert.equal(overdue.length, 1);
});

test("a runner that stood still for an hour first hears what was said meanwhile", () => {
  const { watch, pass, overdue } = watched();
  watch.start();
  pass(1_000);
  pass(3_600_000, 3_600_000);
  assert.deepEqual(overdue, []);
  watch.heard();
  pass(DEADLINE_MS - 1_000);
  assert.deepEqual(overdue, []);
});

test("before the start and after the stop nothing is said and no timer is left", () => {
  const { watch, pass, overdue, timers } = watched();
  watch.heard();
  pass(2 * DEADLINE_MS);
  watch.start();
  watch.stop();
  pass(2 * DEADLINE_MS);
  assert.deepEqual([overdue, timers()], [[], 0]);
});
