/** Words of a runner that is dead, among those of its successor. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY_PART } from "../protocol/record-part.ts";
import type { RunnerEvent, SyncRequest } from "../protocol/runner-wire.ts";
import { worldWith } from "./orders-fixtures.test.ts";
import { applySync } from "./sync.ts";
import { Turn } from "./world.ts";

test("an exit whose number a late word has used up ends its allocation all the same, once", () => {
  const { world, create } = worldWith();
  const turn = new Turn(1000);
  const live = create(turn);
  world.schedule(turn);
  const sync = (boot: string, ...events: RunnerEvent[]) => {
    const allocations = [{ id: "1.1.1", fence: 1, events }];
    const request: SyncRequest = { boot, allocations, ordersAfter: 0 };
    return applySync(world, turn, { runner: "local", ...request }, new Map(), () => "");
  };
  const at = { atMs: 1, step: 1, metrics: { loss: 1 } };
  sync("first", { type: "started", seq: 1, atMs: 0, pid: 7 });
  // The disk took none of these, and they arrive when their runner is dead and another speaks for it.
  sync("first", { type: "report", seq: 2, ...at }, { type: "report", seq: 3, ...at, step: 2 });
  const exit: RunnerEvent = {
    ...{ type: "exited", seq: 2, atMs: 2, processes: [], kind: "runner_lost", outOfMemory: null },
    ...{ signalsSent: [], yielded: false, logLines: 0, detail: "" },
  };
  const { acked, gone } = sync("second", exit);
  assert.equal(acked["1.1.1"], 3);
  assert.deepEqual(gone, ["1.1.1"]);
  assert.equal(live.allocations.has(1), false);
  assert.equal(live.x.trials.get(1)?.restarts, 0);
  assert.deepEqual(sync("second", exit).gone, ["1.1.1"], "heard again it changes nothing");
});

test("what core is told nothing of is acknowledged in the rows all the same", () => {
  const { world, create } = worldWith();
  const first = new Turn(1000);
  create(first);
  world.schedule(first);
  for (const [seq, event] of [
    { type: "record", source: "runner", environment: null, own: EMPTY_PART },
    // Its files are not stored any more.
    { type: "checkpoint", step: 1, tree: [], metadata: {} },
  ].entries()) {
    const turn = new Turn(2000);
    const events = [{ ...event, seq: seq + 1, atMs: 1 } as RunnerEvent];
    const allocations = [{ id: "1.1.1", fence: 1, events }];
    const request = { runner: "local", allocations };
    assert.equal(applySync(world, turn, request, new Map(), () => null).acked["1.1.1"], seq + 1);
    assert.ok(turn.touched.has(1), `${event.type} is written down`);
  }
});
