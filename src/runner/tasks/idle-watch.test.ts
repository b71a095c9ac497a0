/** When a task that nobody uses is told of, on a clock that goes when it is told to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../base/clock.ts";
import { IdleWatch } from "./idle-watch.ts";

const MINUTE_MS = 60_000;

/** @param answer what the program says at a time; throws where it says nothing */
function watched(timeoutMs: number | null, answer: (nowMs: number) => number | null) {
  let nowMs = 0;
  let timer: { readonly atMs: number; readonly callback: () => void } | null = null;
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, callback) {
      const set = { atMs: nowMs + delayMs, callback };
      timer = set;
      return () => {
        if (timer === set) timer = null;
      };
    },
  };
  const told: string[] = [];
  const watch = new IdleWatch({
    ...{ clock, timeoutMs, source: { idleSince: async () => answer(nowMs) } },
    tell: ({ idleSinceMs, expired }) =>
      told.push(`${nowMs}: since ${idleSinceMs}${expired ? " expired" : ""}`),
  });
  const pass = async (untilMs: number): Promise<void> => {
    while (timer !== null && timer.atMs <= untilMs) {
      const { atMs, callback } = timer;
      [nowMs, timer] = [atMs, null];
      callback();
      for (let i = 0; i < 5; i++) await Promise.resolve();
    }
    nowMs = untilMs;
  };
  return { watch, told, pass, waits: () => timer !== null };
}

test("short pauses are nobody's business, long ones are told, and once they are over that is told, too", async () => {
  const { told, pass } = watched(30 * MINUTE_MS, (nowMs) =>
    nowMs < 2 * MINUTE_MS ? nowMs - 30_000 : nowMs < 5 * MINUTE_MS ? 2 * MINUTE_MS : null,
  );
  await pass(10 * MINUTE_MS);
  assert.deepEqual(told, ["180000: since 120000", "300000: since null"]);
});

test("what differs by some milliseconds from look to look is told once", async () => {
  const { told, pass } = watched(null, (nowMs) => 1_000 + ((nowMs / 15_000) % 4));
  await pass(60 * MINUTE_MS);
  assert.equal(told.length, 1, told.join("; "));
});

test("what lasts longer than it may is said to have expired, once", async () => {
  const { told, pass } = watched(4_000, () => 1_000);
  await pass(60_000);
  assert.deepEqual(told, ["3000: since 1000", "5000: since 1000 expired"]);
});

test("a program that never answers is idle since its start", async () => {
  const { told, pass } = watched(8_000, () => {
    throw new Error("nobody listens");
  });
  await pass(60_000);
  assert.deepEqual(told, ["4000: since 0", "8000: since 0 expired"]);
});

test("a program that hangs while it is in use is idle since it last said so", async () => {
  const { told, pass } = watched(8_000, (nowMs) => {
    if (nowMs > 10_000) throw new Error("nobody answers");
    return null;
  });
  await pass(60_000);
  assert.deepEqual(told, ["14000: since 10000", "18000: since 10000 expired"]);
});

test("without a timeout nothing expires; told it is all the same", async () => {
  const { told, pass } = watched(null, () => 0);
  await pass(100 * MINUTE_MS);
  assert.deepEqual(told, ["60000: since 0"]);
});

test("once stopped nobody is asked any more", async () => {
  const { watch, told, pass, waits } = watched(4_000, () => 0);
  watch.stop();
  await pass(60_000);
  assert.deepEqual([told, waits()], [[], false]);
});
