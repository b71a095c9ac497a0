import assert from "node:assert/strict";
import { test } from "node:test";
import type { Plan, WaitReason } from "../core/schedule/plan.ts";
import { LiveWaits } from "./live-waits.ts";

const NO_ROOM: WaitReason = { code: "no_free_slot", needed: 1, free: 0, total: 1, withheld: 0 };

/** Plans that say when they were made, by the place of who waits. */
function countedPlans(reasons: readonly WaitReason[]) {
  const made: string[] = [];
  const plan = (pool: string, nowMs: number): Plan => {
    made.push(`${pool} at ${nowMs}`);
    const waits = reasons.map((reason, i) => ({ task: { id: `1.${i + 1}` }, reason }));
    return { starts: [], waits } as unknown as Plan;
  };
  return { made, waits: new LiveWaits(plan) };
}

test("a pool is planned once for all who look, until a turn or the end of a backoff makes another plan", () => {
  const { made, waits } = countedPlans([NO_ROOM, { code: "backoff", untilMs: 500 }]);
  for (const nowMs of [100, 100, 300, 499]) waits.in("a", nowMs);
  assert.deepEqual(made, ["a at 100"]);
  waits.in("b", 499);
  waits.in("a", 500);
  assert.deepEqual(made.splice(0), ["a at 100", "b at 499", "a at 500"]);
  waits.in("b", 400);
  assert.deepEqual(made.splice(0), ["b at 400"], "the clock was set back");
  waits.forget();
  waits.in("b", 400);
  assert.deepEqual(made, ["b at 400"]);
});

test("each that waits has its place in the queue of its pool", () => {
  const { waits } = countedPlans([NO_ROOM, NO_ROOM, NO_ROOM]);
  const found = waits.in("a", 0);
  assert.deepEqual([...found.keys()], ["1.1", "1.2", "1.3"]);
  const { position, waiting, reason } = found.get("1.2") ?? {};
  assert.deepEqual([position, waiting, reason], [2, 3, NO_ROOM]);
  assert.equal(found.get("1.4"), undefined);
});
