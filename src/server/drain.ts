/**
 * Before the server stops together with its runners: everything that runs under them saves and goes, to come back later.
 * Jobs of an engine with a scheduler of its own stay: their runners do not go with the server, and one that waits there
 * would lose its place.
 */
import type { Clock } from "../base/clock.ts";
import { jobRunner } from "./job-runner.ts";
import type { DecisionLoop } from "./loops/decision-loop.ts";
import type { World } from "./world.ts";

/** Time that running trials get to save when the server stops together with them. */
const DRAIN_MS_MAX = 8_000;

/**
 * Whether what runs of an experiment goes on without the server, in whatever way that stops: it runs in jobs. Of a pool that is not
 * there any more the names of its runners tell: one of a job is called after its allocation.
 */
export function outlivesServer({ pools, experiments }: World, experiment: number): boolean {
  const live = experiments.get(experiment);
  if (live === undefined) return false;
  const pool = pools.get(live.pool);
  if (pool !== undefined) return pool.jobs;
  return [...live.allocations].every(
    ([trial, { run, runner }]) => runner === jobRunner(live.pool, `${live.id}.${trial}.${run}`),
  );
}

/** Asks every trial on a runner that is to stop to save and go, and waits for that within a bound. */
export async function drain(loop: DecisionLoop, clock: Clock): Promise<void> {
  const { world } = loop;
  world.draining = true;
  await loop
    .submit({
      name: "drain",
      run: (w, turn) => {
        const reason = "the server stops; it goes on when the server is back";
        for (const live of w.experiments.values()) {
          if (outlivesServer(w, live.id)) continue;
          for (const number of w.apply(turn, live, { type: "drain", reason }).ordersChanged.keys())
            turn.batch.change({
              ...{ at: new Date(turn.nowMs), actor: "contrail", experimentId: live.id },
              ...{ subject: `trial ${live.id}.${number}`, what: "pausing", cause: reason },
            });
        }
      },
    })
    .catch(() => undefined);
  const isHeld = () =>
    [...world.holders.values()].some(({ experiment }) => !outlivesServer(world, experiment));
  const endMs = clock.monotonicMs() + DRAIN_MS_MAX;
  while (isHeld() && clock.monotonicMs() < endMs)
    await new Promise<void>((done) => clock.after(50, done));
}
