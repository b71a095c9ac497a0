import assert from "node:assert/strict";
import { test } from "node:test";
import { type ClockStep, passedMs, stepsAfter } from "./clock-steps.ts";
import { CRASH, Play, randomSearch, specWith } from "./lifecycle-fixtures.test.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A wall clock that is set by hand, and what is known of that. */
class Clocks {
  wallMs = 1_000 * DAY;
  monotonicMs = 0;
  steps: readonly ClockStep[] = [];

  pass(ms: number, setByMs = 0): void {
    const before = { wallMs: this.wallMs, monotonicMs: this.monotonicMs };
    this.wallMs += ms + setByMs;
    this.monotonicMs += ms;
    this.steps = stepsAfter(this.steps, before, { ...this });
  }

  since(ms: number): number {
    return passedMs(this.steps, ms, this.wallMs);
  }
}

test("what a clock jumps over has not passed, and everything else has", () => {
  const clocks = new Clocks();
  const began = clocks.wallMs;
  clocks.pass(HOUR);
  clocks.pass(HOUR, 3 * DAY);
  const later = clocks.wallMs;
  clocks.pass(HOUR);
  assert.deepEqual([clocks.since(began), clocks.since(later)], [3 * HOUR, HOUR]);
  clocks.pass(HOUR, 30_000);
  assert.equal(clocks.since(began), 4 * HOUR + 30_000, "no step: clocks differ a little");
});

test("a clock that goes wrong and is set right leaves nothing behind, in either order", () => {
  for (const first of [DAY, -DAY, 365 * DAY]) {
    const clocks = new Clocks();
    const began = clocks.wallMs;
    for (let i = 1; i <= 3; i++) {
      clocks.pass(HOUR, first);
      clocks.pass(HOUR, -first);
      assert.equal(clocks.since(began), 2 * i * HOUR, `${first / DAY} days, time ${i}`);
    }
  }
});

test("who began under a right clock before a start under a wrong one loses nothing when it is set right", () => {
  const clocks = new Clocks();
  const began = clocks.wallMs;
  // A server that starts has no reading of before.
  clocks.wallMs -= 3 * DAY;
  clocks.pass(HOUR, 3 * DAY);
  assert.equal(clocks.since(began), HOUR);
});

test("set back by less than it was forward: the rest is still no time that passed", () => {
  const clocks = new Clocks();
  const began = clocks.wallMs;
  clocks.pass(HOUR, 3 * DAY);
  clocks.pass(0, -2 * DAY);
  assert.equal(clocks.since(began), HOUR);
});

test("a step that was written and is noticed again counts once", () => {
  const [before, at] = [{ wallMs: 0, monotonicMs: 0 }, DAY + 1_000];
  const once = stepsAfter([], before, { wallMs: at, monotonicMs: 1_000 });
  const again = stepsAfter(once, before, { wallMs: at + 5_000, monotonicMs: 6_000 });
  assert.equal(passedMs(again, 0, at + 5_000), 6_000);
  const undone = stepsAfter(once, before, { wallMs: 9_000, monotonicMs: 9_000 });
  assert.deepEqual(undone, [], "and not at all where the clock was set right meanwhile");
});

test("budgets do not count what the clock jumped over", () => {
  for (const budget of [
    { timeMs: HOUR },
    { slotHours: 1 },
    { money: { max: 5, perSlotHour: 5, currency: "EUR" } },
    { energy: { maxKwh: 0.3, wattsPerSlot: 300 } },
  ]) {
    const play = new Play(specWith(randomSearch(2), { budget })).run(1);
    const firstMs = play.nowMs + 3 * DAY;
    play.clockSteps = [{ lastMs: play.nowMs, firstMs, byMs: 3 * DAY }];
    play.nowMs += 3 * DAY + HOUR - 1;
    play.do({ type: "tick" });
    assert.equal(play.x.core.run, "active", JSON.stringify(budget));
    play.exit(CRASH, 1);
    assert.equal(play.x.core.slotMs, HOUR - 1, "what it has used is counted the same way");
    play.nowMs += 1;
    play.run(2);
    play.nowMs += 1;
    play.do({ type: "tick" });
    assert.equal(play.x.core.run, "stopping", JSON.stringify(budget));
  }
});
