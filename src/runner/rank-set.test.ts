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

interface Started {
  readonly rank: number;
  readonly sinks: RankSinks;
  paused: boolean;
}

/** @param begins called before each rank is started */
function ranks(count: number, begins: (rank: number) => void) {
  const started: Started[] = [];
  const claim = { held: true };
  const rendezvous = { port: 1, release: () => void (claim.held = false) };
  const starter = {
    plan: async (launch: LaunchSpec) => ({ launch, rendezvous }) as unknown as RankPlan,
    environment: () => ({}),
    clear: async () => {},
    start: async (_: RankPlan, rank: number, { sinks }: { sinks: RankSinks }): Promise<Rank> => {
      begins(rank);
      const own = { rank, sinks, paused: false };
      started.push(own);
      const pause = () => void (own.paused = true);
      const resume = () => void (own.paused = false);
      return {
        pid: rank + 1,
        group: null,
        pause,
        resume,
        signal: () => {},
        abandonPipes: () => {},
      };
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
  return { set, started, claim, start: () => set.start(launch, {} as PreparedWorkspace) };
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
