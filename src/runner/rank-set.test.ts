/** Ranks that are started slowly, by a starter of the test's own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../base/clock.ts";
import { realClock } from "../base/real-clock.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import { OomWatch } from "./out-of-memory.ts";
import type { Rank, RankSinks } from "./rank.ts";
import type { RankOutput } from "./rank-output.ts";
import { LaunchError } from "./rank-process.ts";
import { RankSet } from "./rank-set.ts";
import type { RankPlan, RankStarter } from "./rank-starter.ts";
import { VirtualClock } from "./virtual-clock.ts";
import type { PreparedWorkspace } from "./workspace.ts";

class HeldRank implements Rank {
  readonly pid = 1;
  readonly group = null;
  readonly sinks: RankSinks;
  paused = false;

  constructor(sinks: RankSinks) {
    this.sinks = sinks;
  }

  signal(): void {}

  abandonPipes(): void {}

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }
}

interface Options {
  readonly sinks: RankSinks;
  readonly signal: AbortSignal;
}

/** @param begins called before each rank is started */
function ranks(
  count: number,
  begins: (rank: number, signal: AbortSignal) => unknown,
  clock: Clock = realClock,
) {
  const orders = { mayStart: (_: boolean) => true, plan: async () => {} };
  const started: HeldRank[] = [];
  const exits: string[] = [];
  const told: string[] = [];
  const claims = new Set(["port"]);
  const rendezvous = { port: 1, release: () => void claims.delete("port") };
  const starter = {
    plan: async (launch: LaunchSpec) => {
      await orders.plan();
      return { launch, rendezvous } as unknown as RankPlan;
    },
    environment: () => ({}),
    clear: async () => {},
    start: async (_: RankPlan, rank: number, { sinks, signal }: Options): Promise<Rank> => {
      await begins(rank, signal);
      const own = new HeldRank(sinks);
      started.push(own);
      return own;
    },
  };
  const set = new RankSet({
    clock,
    starter: starter as unknown as RankStarter,
    oom: new OomWatch(() => null),
    ...{ folder: "/nowhere", socketPath: "/nowhere.sock" },
    outputOf: () => ({}) as RankOutput,
    goesOn: (begun) => orders.mayStart(begun),
    exited: ({ rank, code }) => void exits.push(`${rank}: ${code}`),
    ...{ signalsSent: () => [], first: () => {}, changed: () => {}, say: () => {} },
    tell: (text) => void told.push(text),
  });
  const launch = { ranks: count, yieldGraceMs: 60_000 } as LaunchSpec;
  const start = () => set.start(launch, {} as PreparedWorkspace);
  return { set, started, claims, exits, told, orders, start };
}

test("output that is held back is held back of ranks that are started later, too", async () => {
  const { set, started, start } = ranks(3, (rank) => {
    if (rank === 1) set.pause();
  });
  await start();
  assert.deepEqual(
    started.map(({ paused }) => paused),
    [true, true, true],
  );
  set.resume();
  assert.ok(started.every(({ paused }) => !paused));
});

test("where no rank could be started the port at which they would have met is free again", async () => {
  const { claims, start } = ranks(2, () => {
    throw new LaunchError("entrypoint: there is no such program");
  });
  assert.match((await start()).fault ?? "", /no such program/);
  assert.equal(claims.size, 0);
});

test("while one runs the port is kept, also where another could not be started", async () => {
  const { claims, start } = ranks(2, (rank) => {
    if (rank === 1) throw new LaunchError("entrypoint: there is no such program");
  });
  assert.equal((await start()).pids.length, 1);
  assert.equal(claims.size, 1);
});

test("after a kill no other rank is started, and one that cannot be started yet is given up", async () => {
  const { set, started, orders, start } = ranks(4, (rank, signal) => {
    if (rank < 2) return;
    const given = new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    orders.mayStart = () => false;
    set.reconsider();
    return given;
  });
  const { pids, fault } = await start();
  assert.deepEqual([pids.length, fault, started.length], [2, null, 2]);
});

test("a rank that is there after all when the kill comes is the last", async () => {
  const { set, orders, start } = ranks(4, (rank) => {
    if (rank === 1) orders.mayStart = () => false;
    set.reconsider();
  });
  assert.equal((await start()).pids.length, 2);
});

test("a pause before the first rank starts none; after it, it starts all", async () => {
  for (const paused of [0, 1]) {
    const { set, claims, orders, start } = ranks(3, (rank, signal) => {
      if (rank === paused) orders.mayStart = (begun) => begun;
      set.reconsider();
      signal.throwIfAborted();
    });
    const { pids, fault } = await start();
    assert.deepEqual([pids.length, fault, claims.size], paused === 0 ? [0, null, 0] : [3, null, 1]);
  }
});

test("a rank that fails while others are started ends the starting, and is told as it was", async () => {
  const { set, started, exits, start } = ranks(4, (rank) => {
    if (rank === 2) started[0]?.sinks.exited({ code: 3, signal: null });
  });
  const { pids, fault } = await start();
  assert.deepEqual([pids.length, fault], [3, null]);
  set.release();
  assert.deepEqual(exits, ["0: 3"]);
});

test("a rank that ends in good order while others are started keeps nobody from starting", async () => {
  const { started, start } = ranks(3, (rank) => {
    if (rank === 1) started[0]?.sinks.exited({ code: 0, signal: null });
  });
  assert.equal((await start()).pids.length, 3);
});

test("where no port can be looked for now the start waits, says so, and is given up with the trial", async () => {
  for (const killed of [false, true]) {
    let tries = 0;
    const { set, told, orders, start } = ranks(2, () => {});
    orders.plan = async () => {
      if (tries++ === 2) return;
      if (killed) orders.mayStart = () => false;
      set.reconsider();
      throw Object.assign(new Error("listen EMFILE"), { code: "EMFILE" });
    };
    const { pids, fault } = await start();
    assert.deepEqual([pids.length, fault, tries], killed ? [0, null, 1] : [2, null, 3]);
    const word = "the start waits until there is room: listen EMFILE";
    assert.deepEqual(told, killed ? [] : [word]);
  }
});

test("after a pause a rank that cannot be started is waited for no longer than a pause may take", async () => {
  for (const isTakenBack of [false, true]) {
    const clock = new VirtualClock();
    const { set, orders, start } = ranks(
      4,
      (rank, signal) => {
        if (rank !== 1) return;
        orders.mayStart = (begun) => begun;
        set.reconsider();
        return new Promise<void>((resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
          clock.after(50_000, () => {
            if (isTakenBack) orders.mayStart = () => true;
          });
          clock.after(90_000, resolve);
        });
      },
      clock,
    );
    let overMs = 0;
    const started = start().finally(() => {
      overMs = clock.nowMs();
    });
    while (overMs === 0) await clock.turn();
    const { pids, fault } = await started;
    assert.deepEqual([pids.length, fault], [isTakenBack ? 4 : 1, null]);
    assert.equal(overMs, isTakenBack ? 90_000 : 60_000);
  }
});

test("one that was begun all the same when the pause came waits no longer for the others", async () => {
  const clock = new VirtualClock();
  const { set, orders, start } = ranks(
    2,
    (rank, signal) => {
      orders.mayStart = (begun) => begun;
      // It is there after all.
      if (rank === 0) return set.reconsider();
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    },
    clock,
  );
  const started = start();
  for (let turn = 0; turn < 20; turn++) await clock.turn();
  assert.equal((await started).pids.length, 1);
});
