import assert from "node:assert/strict";
import { test } from "node:test";
import type { Budget } from "../budget.ts";
import { runningGrants } from "./experiment.ts";
import {
  ashaSearch,
  exitOf,
  Play,
  randomSearch,
  specWith,
  YIELDED,
} from "./lifecycle-fixtures.test.ts";

const HOUR = 3_600_000;
const oneHour = (play: Play): void => {
  play.nowMs += HOUR;
};
const BUDGETS: readonly { budget: Budget; spend: (play: Play) => void; says: RegExp }[] = [
  {
    budget: { steps: 5 },
    spend: (play) => void play.report(2, 1, 2),
    says: /5 of 5 steps are trained/,
  },
  {
    budget: { timeMs: HOUR },
    spend: oneHour,
    says: /3600.0 s of 3600.0 s wall time/,
  },
  {
    budget: { slotHours: 2 },
    spend: oneHour,
    says: /2.000 of 2 slot-hours/,
  },
  {
    budget: { money: { max: 5, perSlotHour: 2.5, currency: "EUR" } },
    spend: oneHour,
    says: /5.00 of 5 EUR/,
  },
  {
    budget: { energy: { maxKwh: 0.6, wattsPerSlot: 300 } },
    spend: oneHour,
    says: /0.600 of 0.6 kWh \(estimated\)/,
  },
];

test("each kind of budget ends the search cleanly when it is reached, and not before", () => {
  for (const { budget, spend, says } of BUDGETS) {
    const play = new Play(specWith(ashaSearch(9), { budget, slotsPerTrial: 2 })).run(1);
    play.report(3, 0.5, 1);
    play.exit(YIELDED, 1);
    play.run(2);
    // Exactly one hour of two slots from here: trial 1 has used no time at all.
    play.nowMs -= 1;
    spend(play);
    const made = play.x.trials.size;
    if (budget.steps === undefined) {
      play.do({ type: "tick" });
      assert.equal(play.x.core.run, "active", String(says));
      play.nowMs += 1;
      const { searchLog, decisions } = play.do({ type: "tick" });
      assert.deepEqual(
        searchLog.map(({ event }) => event.type),
        ["end", ...Array.from({ length: made - 1 }, () => "exit")],
        "the search hears of the end, and of each that ends",
      );
      assert.deepEqual(decisions, [], "and decides nothing any more");
    }
    assert.equal(play.x.core.run, "stopping");
    assert.match(play.x.core.reason, says);
    assert.deepEqual(
      [play.trial(1).over, play.state(2), play.trial(3).over],
      ["budget_reached", "stopping", "budget_reached"],
      "who waits ends at once, who runs may finish its step",
    );
    assert.equal(play.trial(2).allocation?.yield, "stop");
    play.obey();
    assert.equal(play.x.core.run, "completed");
    assert.equal(play.x.trials.size, made, "nobody new was made");
  }
});

test("a pause in the wall-time budget counts, and is noticed when the experiment goes on", () => {
  const play = new Play(specWith(randomSearch(1), { budget: { timeMs: HOUR } }));
  play.user("pause");
  play.nowMs += 2 * HOUR;
  play.do({ type: "tick" });
  assert.equal(play.x.core.run, "paused");
  play.user("activate");
  assert.equal(play.x.core.run, "completed");
});

test("what waits in the queue of its engine uses no slots until it starts", () => {
  const play = new Play(
    specWith(randomSearch(2), { slotsPerTrial: 4, budget: { slotHours: 8 }, maxRestarts: 0 }),
  );
  for (const trial of [1, 2])
    play.do({ type: "granted", trial, slots: ["g:0"], reason: "free", queued: true });
  play.nowMs += 2 * HOUR;
  play.do({ type: "tick" });
  assert.deepEqual([play.x.core.run, play.trial().startedAtMs], ["active", null]);
  assert.deepEqual([...runningGrants(play.x)], []);
  play.exit(exitOf({ kind: "launch_failed", exits: [] }), 2);
  assert.deepEqual([play.trial(2).slotMs, play.x.core.slotMs], [0, 0], "it never started");
  const startedAtMs = play.nowMs;
  play.do({ type: "started", trial: 1, run: 1 });
  assert.equal(play.trial().startedAtMs, startedAtMs);
  assert.deepEqual([...runningGrants(play.x)], [{ sinceMs: startedAtMs, slots: 4 }]);
  play.nowMs += 2 * HOUR - 1;
  play.do({ type: "tick" });
  assert.equal(play.x.core.run, "active");
  play.nowMs += 1;
  play.do({ type: "tick" });
  assert.match(play.x.core.reason, /8\.000 of 8 slot-hours/);
  play.exit(YIELDED);
  assert.equal(play.x.core.slotMs, 8 * HOUR);
});

test("slot time is counted from the grant to the exit, times the slots", () => {
  const play = new Play(specWith(randomSearch(1), { slotsPerTrial: 4 })).run();
  play.nowMs += 1000;
  play.user("pause", 1);
  play.nowMs += 500;
  play.exit(YIELDED);
  assert.deepEqual([play.trial().slotMs, play.x.core.slotMs], [6000, 6000]);
  play.nowMs += 60_000;
  play.user("activate", 1);
  play.run();
  play.nowMs -= 5000;
  play.exit(exitOf({ exits: [{ code: 0, signal: null }] }));
  assert.equal(play.trial().slotMs, 6000, "a clock that was set back takes nothing away");
});
