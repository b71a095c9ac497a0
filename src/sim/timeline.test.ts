import assert from "node:assert/strict";
import { test } from "node:test";
import { newLife, SimClock, Timeline, trueTime } from "./timeline.ts";

async function played(begin: (timeline: Timeline, note: (what: string) => void) => void) {
  const timeline = new Timeline();
  const seen: string[] = [];
  begin(timeline, (what) => seen.push(`${timeline.nowMs} ${what}`));
  await timeline.run(() => false);
  return seen;
}

test("what is due while a process stands still comes when it goes on, in the order in which it was due", async () => {
  const seen = await played((timeline, note) => {
    const life = newLife();
    const clock = new SimClock(timeline, life, trueTime());
    clock.after(30, () => note("third"));
    clock.after(10, () => note("second"));
    clock.after(5, () => note("first"));
    timeline.at(20, () => timeline.reach(life, () => note("a message")));
    timeline.at(15, () => note("the world goes on"));
    timeline.at(7, () => {
      life.stalledUntilMs = 100;
    });
  });
  assert.deepEqual(seen, [
    "5 first",
    "15 the world goes on",
    "100 second",
    "100 a message",
    "100 third",
  ]);
});

test("a timer can be taken back while its process stands still", async () => {
  const seen = await played((timeline, note) => {
    const life = newLife();
    const cancel = new SimClock(timeline, life, trueTime()).after(10, () => note("too late"));
    timeline.at(5, () => {
      life.stalledUntilMs = 50;
    });
    timeline.at(20, cancel);
  });
  assert.deepEqual(seen, []);
});

test("nothing reaches the dead, also where they died standing still", async () => {
  const seen = await played((timeline, note) => {
    const life = newLife();
    new SimClock(timeline, life, trueTime()).after(10, () => note("a timer"));
    timeline.at(5, () => {
      life.stalledUntilMs = 50;
    });
    timeline.at(8, () => timeline.reach(life, () => note("a message")));
    timeline.at(30, () => {
      life.alive = false;
    });
    timeline.at(60, () => timeline.reach(life, () => note("another")));
  });
  assert.deepEqual(seen, []);
});
