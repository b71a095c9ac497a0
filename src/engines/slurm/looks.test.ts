import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../base/clock.ts";
import { Looks } from "./looks.ts";

/** Time passes when somebody waits for it. */
class FakeClock implements Clock {
  at = 0;
  nowMs = () => this.at;
  monotonicMs = () => this.at;
  after(delayMs: number, callback: () => void): () => void {
    this.at += delayMs;
    setImmediate(callback);
    return () => {};
  }
}

test("who asks gets a look that began later, shared by all that wait for it", async () => {
  const looks: { beganMs: number; end: () => void }[] = [];
  const clock = new FakeClock();
  const shared = new Looks(
    () =>
      new Promise<number>((resolve) => {
        const index = looks.length;
        looks.push({ beganMs: clock.at, end: () => resolve(index) });
      }),
    clock,
  );
  const begun = async (count: number) => {
    while (looks.length < count) await new Promise((resolve) => setImmediate(resolve));
  };
  const first = shared.fresh(0);
  await begun(1);
  const second = [shared.fresh(1000), shared.fresh(2000)];
  looks[0]?.end();
  assert.equal(await first, 0);
  await begun(2);
  looks[1]?.end();
  assert.deepEqual(await Promise.all(second), [1, 1]);
  assert.equal(looks[1]?.beganMs, 1000);
  const hurried = shared.fresh(0);
  await begun(3);
  looks[2]?.end();
  assert.equal(await hurried, 2);
  assert.equal(looks[2]?.beganMs, 1000);
});

test("who is in a hurry does not wait with those who have time, and all have that look", async () => {
  let cancelled = 0;
  const clock: Clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    after: () => () => void cancelled++,
  };
  let looks = 0;
  const shared = new Looks(async () => ++looks, clock);
  assert.equal(await shared.fresh(1000), 1);
  const patient = shared.fresh(1000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(looks, 1);
  assert.deepEqual(await Promise.all([shared.fresh(0), patient]), [2, 2]);
  assert.equal(cancelled, 1);
});

test("a look that fails fails for those who shared it, and for nobody after", async () => {
  let answers = 0;
  const shared = new Looks(async () => {
    if (++answers === 1) throw new Error("away");
    return answers;
  }, new FakeClock());
  const failed = await Promise.allSettled([shared.fresh(0), shared.fresh(0)]);
  assert.deepEqual(
    failed.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(await shared.fresh(0), 2);
});
