import assert from "node:assert/strict";
import { test } from "node:test";
import { Play, randomSearch, specWith } from "../core/lifecycle/lifecycle-fixtures.test.ts";
import { drain } from "./drain.ts";
import type { LiveExperiment } from "./live-experiment.ts";
import type { DecisionLoop } from "./loops/decision-loop.ts";
import { ManualClock } from "./loops/manual-clock.ts";
import { stopped } from "./own-changes.ts";
import { Turn, World } from "./world.ts";

const POOLS = ["default", "cluster"];
/** Taken out of the file of pools while something of each runs: on a runner that stands ready, and in a job. */
const GONE = ["gone", "left"];
const RUNNERS: Readonly<Record<string, string>> = { left: "left.4.1.1" };

/** One experiment in each pool, with one trial that runs. */
function worldOfFour(): { world: World; plays: Play[] } {
  const slots = POOLS.map((pool) => ({
    ...{ id: `${pool}/0`, kind: "cpu" as const, pool, runner: pool, node: "n", description: "" },
  }));
  const pools = POOLS.map((name) => ({
    ...{ name, engine: "any", jobs: name === "cluster", perJob: null, defaults: {} },
  }));
  const world = new World(slots, 0, pools);
  const plays = [...POOLS, ...GONE].map((pool, i) => {
    const play = new Play(specWith(randomSearch(1))).run();
    const held = {
      run: 1,
      slots: [`${pool}/0`],
      runner: RUNNERS[pool] ?? pool,
      createdAtMs: 0,
      startedAtMs: 0,
    };
    world.adopt({
      ...{ id: i + 1, row: {}, x: play.x, pool, trials: new Map() },
      allocations: new Map([[1, held]]),
    } as unknown as LiveExperiment);
    return play;
  });
  return { world, plays };
}

test("a server that stops with its runners leaves alone what runs in jobs, and does not wait for it", async () => {
  const { world, plays } = worldOfFour();
  const loop = {
    world,
    submit: async ({ run }: { run: (w: World, turn: Turn) => void }) => run(world, new Turn(0)),
  };
  const clock = new ManualClock();
  let isOver = false;
  void drain(loop as unknown as DecisionLoop, clock).then(() => {
    isOver = true;
  });
  await clock.ring();
  assert.deepEqual(
    plays.map((play) => play.trial().allocation?.yield),
    ["pause", null, "pause", null],
  );
  assert.equal(isOver, false);
  world.release(1);
  world.release(3);
  await clock.ring();
  assert.equal(isOver, true);
  assert.match(stopped(world, "stop", "asked").cause, /the runner was ended; 2 in jobs .* go on/);
});
