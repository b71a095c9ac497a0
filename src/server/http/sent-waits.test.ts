import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SentWaits, WAITS_EVERY_MS, WAITS_PER_LOOK } from "./sent-waits.ts";

test("those whose reason is another are found once a second, and only who may wait is looked at", () => {
  const waits = new SentWaits(4000);
  assert.equal(waits.dueMs, undefined);
  const reasons = new Map<number, string>([[1, "behind 1.2"]]);
  const reasonOf = (trial: number): string | undefined => reasons.get(trial);
  waits.sent(1, true, "behind 1.2");
  waits.sent(2, true, undefined);
  waits.sent(3, false, undefined);
  assert.deepEqual(waits.changed(5000, reasonOf), []);
  for (const trial of [1, 2, 3]) reasons.set(trial, "needs 1 slot");
  assert.deepEqual(waits.changed(5000 + WAITS_EVERY_MS - 1, reasonOf), [], "not due");
  assert.equal(waits.dueMs, 5000 + WAITS_EVERY_MS);
  assert.deepEqual(waits.changed(5000 + WAITS_EVERY_MS, reasonOf), [1, 2]);
  waits.sent(1, true, "needs 1 slot");
  waits.sent(2, false, undefined);
  assert.deepEqual(waits.changed(5000 + 2 * WAITS_EVERY_MS, reasonOf), []);
  waits.sent(1, false, undefined);
  assert.equal(waits.dueMs, undefined, "nothing waits any more");
});

test("of a long queue every look is at so many, and each comes to be looked at", () => {
  const waits = new SentWaits(0);
  const count = 5 * WAITS_PER_LOOK;
  for (let trial = 1; trial <= count; trial++) waits.sent(trial, true, "before");
  const seen = new Set<number>();
  for (let look = 1; look <= 5; look++) {
    let asked = 0;
    const changed = waits.changed(look * WAITS_EVERY_MS, () => {
      asked++;
      return "after";
    });
    assert.equal(asked, WAITS_PER_LOOK);
    for (const trial of changed) {
      seen.add(trial);
      waits.sent(trial, true, "after");
    }
  }
  assert.equal(seen.size, count);
});

test("a reader's memory does not grow with the words of those that wait", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const waits = new SentWaits(0);
  const before = used();
  for (let trial = 1; trial <= 1000; trial++)
    waits.sent(trial, true, Buffer.alloc(20_000, `behind ${trial}.1, `).toString("latin1"));
  const grown = used() - before;
  assert.ok(grown < 5_000_000, `${grown} bytes for words of 20,000,000`);
  assert.equal(waits.dueMs, WAITS_EVERY_MS);
});
