import { wantsSlots } from "../../core/lifecycle/trial.ts";
import { describeWait, type WaitReason } from "../../core/schedule/plan.ts";
import type { LiveExperiment } from "../live-experiment.ts";
import { missingPool } from "../missing-pools.ts";
import type { RouteContext } from "./context.ts";

export type WaitContext = Pick<RouteContext, "clock"> & {
  readonly world: Pick<RouteContext["world"], "experiments" | "pools" | "waits">;
  readonly nodes: Pick<RouteContext["nodes"], "why">;
};

/**
 * Whether a trial may wait, and so have a reason that changes though nothing becomes of it: it wants slots, or has them and
 * has not started, because the engine that its job was given to has a queue of its own, or its pool is gone.
 */
export function mayWait(
  { world }: Pick<WaitContext, "world">,
  live: LiveExperiment,
  number: number,
): boolean {
  const trial = live.x.trials.get(number);
  if (!trial) return false;
  if (wantsSlots(trial)) return true;
  // A pool that is not there is taken for one of jobs: only theirs wait so long that anybody asks.
  const isJob = world.pools.get(live.pool)?.jobs !== false;
  return isJob && live.allocations.get(number)?.startedAtMs === null;
}

/** Why a trial waits; undefined where it does not. An engine says so in its own words. The plan is asked for nobody else. */
export function waitOf(
  context: WaitContext,
  live: LiveExperiment,
  number: number,
): WaitReason | string | undefined {
  if (!mayWait(context, live, number)) return undefined;
  const { world, clock, nodes } = context;
  const allocation = live.allocations.get(number);
  if (allocation) return missingPool(world, live.pool) ?? nodes.why(allocation.runner) ?? undefined;
  return world.waits.in(live.pool, clock.nowMs()).get(`${live.id}.${number}`)?.reason;
}

/** What was found by `waitOf`, in one sentence. */
export const waitWords = (wait: WaitReason | string, nowMs: number): string =>
  typeof wait === "string" ? wait : describeWait(wait, nowMs);

/**
 * To tell one reason from another: words that stay the same while only time passes. In those for people the seconds
 * until the next attempt run down.
 */
export const sameWaitWords = (wait: WaitReason | string | undefined): string | undefined =>
  wait === undefined ? undefined : waitWords(wait, 0);

/** Why a trial waits, in one sentence; undefined where it does not. */
export function waitReason(
  context: WaitContext,
  experiment: number,
  number: number,
): string | undefined {
  const live = context.world.experiments.get(experiment);
  const wait = live && waitOf(context, live, number);
  return wait === undefined ? undefined : waitWords(wait, context.clock.nowMs());
}
