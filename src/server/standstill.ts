/** Trials that hold slots and stand still, seen from the whole of their pool: who of them has to give way now. */
import { standsStill } from "../core/lifecycle/holding.ts";
import { makeRoom, type Still } from "../core/schedule/make-room.ts";
import type { Plan } from "../core/schedule/plan.ts";
import type { LiveExperiment } from "./live-experiment.ts";

const REASON = "its slots are needed by others while its result waits for theirs";

/** @returns trials that are to save and go; none in most turns, at the cost of a look at each deterministic search */
export function whoMakesRoom(
  world: {
    readonly experiments: ReadonlyMap<number, LiveExperiment>;
    room(pool: string): { readonly free: number };
    plan(pool: string, nowMs: number): Plan;
  },
  pool: string,
  nowMs: number,
): { group: number; trial: number; reason: string }[] {
  const still: Still[] = [];
  const here = [...world.experiments.values()].filter((live) => live.pool === pool);
  for (const live of here) if (live.x.spec.search.deterministic) still.push(...stillOf(live));
  if (still.length === 0) return [];
  const { waits } = world.plan(pool, nowMs);
  if (waits.length === 0) return [];
  const leaving = here.flatMap((live) => {
    const gone = [...live.allocations.keys()].filter((number) => {
      const allocation = live.x.trials.get(number)?.allocation;
      return allocation && (allocation.yield !== null || allocation.kill);
    });
    return gone.map(() => ({ group: live.id, slots: live.x.spec.slotsPerTrial }));
  });
  return makeRoom({ waits, free: world.room(pool).free, leaving, still }).map(
    ({ group, trial }) => ({
      ...{ group, trial, reason: REASON },
    }),
  );
}

const stillOf = ({ id, x, allocations }: LiveExperiment): Still[] =>
  [...allocations.keys()].flatMap((number) => {
    const trial = x.trials.get(number);
    if (trial === undefined || !standsStill(trial)) return [];
    const due = x.search.virtual?.trials[number]?.due ?? 0;
    return [{ group: id, trial: number, slots: x.spec.slotsPerTrial, due }];
  });
