/** What one allocation cannot cost the others of its runner's request. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ContrailError } from "../protocol/errors.ts";
import type { RunnerEvent, SyncRequest } from "../protocol/runner-wire.ts";
import { CHAIN_START } from "../store/write-batch.ts";
import { DEFAULT_LEASE } from "./leases.ts";
import { DecisionLoop } from "./loops/decision-loop.ts";
import { worldWith } from "./orders-fixtures.test.ts";
import { answerSync, unheardOf } from "./runner-requests.ts";
import { toLaunchSettings } from "./translate.ts";
import { Turn, type World } from "./world.ts";

interface Bench {
  readonly world: World;
  readonly loop: DecisionLoop;
  /** The next commit waits for this. */
  commit: Promise<void> | undefined;
  sync(
    allocations: SyncRequest["allocations"],
    runner?: string,
    holds?: string[],
  ): ReturnType<typeof answerSync>;
}

/** Two experiments with a slot each: 1.1.1 and 2.1.1. */
function bench(): Bench {
  const one = { name: "random", metric: "loss", max_length: 4, max_trials: 1 };
  const { world, create } = worldWith({ searcher: one });
  const turn = new Turn(1000);
  for (let i = 0; i < 2; i++) create(turn);
  world.schedule(turn);
  const made: Bench = {
    ...{ world, commit: undefined },
    loop: new DecisionLoop({
      ...{ world, tip: CHAIN_START, nowMs: () => 1000, monotonicMs: () => 1000 },
      ledger: {
        ...{ takeOver: async () => CHAIN_START, holds: async () => true },
        commit: async (_batch, tip) => {
          await made.commit;
          return tip;
        },
      },
      // Nothing that fails here had been durable before.
      reload: async (ids = [1, 2]) => {
        for (const id of ids)
          for (const allocation of world.experiments.get(id)?.allocations.values() ?? [])
            allocation.acked = 0;
      },
      ...{ onCommitted: () => undefined, onFailure: () => undefined },
    }),
    sync: (allocations, runner = "local", holds) =>
      answerSync(
        {
          loop: made.loop,
          ledger: { storeAhead: async () => undefined },
          orders: { world, launchSettings: toLaunchSettings, allocationToken: () => "t" },
          leases: { limits: DEFAULT_LEASE, heard: async () => undefined },
        },
        runner,
        {
          ...{ boot: "b", ordersAfter: 0, allocations },
          ...(holds === undefined ? {} : { holds, lease: world.runners.get(runner).lease.number }),
        },
        { past: new Map(), treeName: () => "t" },
      ),
  };
  return made;
}

const started: RunnerEvent = { type: "started", seq: 1, atMs: 0, pid: 7 };
const saved: RunnerEvent = {
  ...{ type: "checkpoint", seq: 2, atMs: 1, step: 1, metadata: {} },
  tree: [{ path: "w", size: 0, hash: "a".repeat(64), executable: false }],
};
const sent = (id: string, ...events: RunnerEvent[]) => ({ id, fence: 1, events });
const ackedOf = ({ world }: Bench, experiment: number): number | undefined =>
  world.experiments.get(experiment)?.allocations.get(1)?.acked;

test("an allocation that another runner has is left out and named as gone; the others are taken", async () => {
  const made = bench();
  const other = made.world.experiments.get(1)?.allocations.get(1);
  assert.ok(other);
  Object.assign(other, { runner: "other" });
  const { acked, gone } = await made.sync([sent("1.1.1", started), sent("2.1.1", started)]);
  assert.deepEqual([acked, gone], [{ "2.1.1": 1 }, ["1.1.1"]]);
  assert.equal(other.acked, 0, "nothing of it was taken");
  assert.equal(made.world.experiments.get(1)?.allocations.get(1), other, "nor did it end");
});

test("a mistake in one experiment costs none of the others of the request what they said", async () => {
  for (const order of [
    ["1.1.1", "2.1.1"],
    ["2.1.1", "1.1.1"],
  ]) {
    const made = bench();
    const { world } = made;
    const apply = world.apply.bind(world);
    world.apply = (turn, live, event) => {
      if (live.id === 1) throw new TypeError("x is undefined");
      return apply(turn, live, event);
    };
    const request = order.map((id) => sent(id, started));
    await assert.rejects(
      made.sync(request),
      (error) => error instanceof ContrailError && error.code === "internal",
    );
    assert.equal(ackedOf(made, 2), 1, order.join(" before "));
  }
});

test("a runner whose lease was lost comes back though the one experiment that it speaks of makes a mistake", async () => {
  const made = bench();
  const { world } = made;
  const runner = world.runners.get("local");
  runner.lease = { ...runner.lease, standing: "lost" };
  world.apply = () => {
    throw new TypeError("x is undefined");
  };
  await assert.rejects(made.sync([sent("1.1.1", started)], "local", []));
  assert.notEqual(runner.lease.standing, "lost");
});

test("of what was heard before nothing is stored again, but of what is not durable yet", async () => {
  const made = bench();
  const { loop } = made;
  const request = (...allocations: SyncRequest["allocations"]): SyncRequest => ({
    ...{ boot: "b", ordersAfter: 0, allocations },
  });
  const seqs = async (runner = "local"): Promise<number[]> => {
    const body = request(sent("1.1.1", started, saved), sent("2.1.1", started));
    const news = await unheardOf(loop, runner, body, new Map());
    return news.allocations.flatMap(({ events }) => events.map(({ seq }) => seq));
  };
  assert.deepEqual(await seqs(), [1, 2, 1]);
  assert.deepEqual(await seqs("other"), [], "nor of what another runner has");
  const { promise, reject } = Promise.withResolvers<void>();
  made.commit = promise;
  const told = made.sync([sent("1.1.1", started, saved)]);
  while (ackedOf(made, 1) !== 2) await Promise.resolve();
  const during = seqs();
  reject(new Error("connection lost"));
  await assert.rejects(told);
  assert.deepEqual(await during, [1, 2, 1]);
  made.commit = undefined;
  await made.sync([sent("1.1.1", started, saved)]);
  assert.deepEqual(await seqs(), [1]);
});

test("what is sent again while the first try is still at work is acknowledged, though that try ends the allocation", async () => {
  const made = bench();
  const exit: RunnerEvent = {
    ...{ type: "exited", seq: 2, atMs: 1, kind: "processes", outOfMemory: null, signalsSent: [] },
    processes: [{ rank: 0, code: 0, signal: null }],
    ...{ yielded: false, logLines: 7, detail: "" },
  };
  // Both found it alive before their turns.
  const request = [sent("1.1.1", started, exit)];
  const [first, again] = await Promise.all([made.sync(request), made.sync(request)]);
  assert.deepEqual(first.acked, { "1.1.1": 2 });
  assert.deepEqual([again.acked, again.gone], [{ "1.1.1": 2 }, ["1.1.1"]]);
});
