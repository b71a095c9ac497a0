/** Ranks that are started slowly, by a starter of the test's own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { realClock } from "../base/real-clock.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import { OomWatch } from "./out-of-memory.ts";
import type { Rank, RankSinks } from "./rank.ts";
import type { RankOutput } from "./rank-output.ts";
import { LaunchError } from "./rank-process.ts";
import { RankSet } from "./rank-set.ts";
import type { RankPlan, RankStarter } from "./rank-starter.ts";
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

/** @param begins called before each rank is started */
function ranks(count: number, begins: (rank: number) => void) {
  const started: HeldRank[] = [];
  const claims = new Set(["port"]);
  const rendezvous = { port: 1, release: () => void claims.delete("port") };
  const starter = {
    plan: async (launch: LaunchSpec) => ({ launch, rendezvous }) as unknown as RankPlan,
    environment: () => ({}),
    start: async (_: RankPlan, rank: number, { sinks }: { sinks: RankSinks }): Promise<Rank> => {
      begins(rank);
      const own = new HeldRank(sinks);
      started.push(own);
      return own;
    },
  };
  const set = new RankSet({
    clock: realClock,
    starter: starter as unknown as RankStarter,
    oom: new OomWatch(() => null),
    ...{ folder: "/nowhere", socketPath: "/nowhere.sock" },
    outputOf: () => ({}) as RankOutput,
    ...{ signalsSent: () => [], exited: () => {}, first: () => {}, changed: () => {} },
    say: () => {},
  });
  const launch = { ranks: count } as LaunchSpec;
  return { set, started, claims, start: () => set.start(launch, {} as PreparedWorkspace) };
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
