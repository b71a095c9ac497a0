import { wantsSlots } from "../../core/lifecycle/trial.ts";
import { describeWait, type WaitReason } from "../../core/schedule/plan.ts";
import type { LiveExperiment } from "../live-experiment.ts";
import type { RouteContext } from "./context.ts";

type Context = Pick<RouteContext, "clock"> & {
  readonly world: Pick<RouteContext["world"], "experiments" | "pools" | "waits">;
  readonly nodes: Pick<RouteContext["nodes"], "why">;
};

/**
 * Why a trial waits; undefined where it does not. Who has slots and has not started may wait still, in the queue of the
 * engine that its job was given to, which says so in its own words. The plan is asked for nobody else.
 */
export function waitOf(
  { world, clock, nodes }: Context,
  live: LiveExperiment,
  number: number,
): WaitReason | string | undefined {
  const trial = live.x.trials.get(number);
  if (!trial) return undefined;
  if (wantsSlots(trial))
    return world.waits.in(live.pool, clock.nowMs()).get(`${live.id}.${number}`)?.reason;
  const allocation = live.allocations.get(number);
  const isJob = world.pools.get(live.pool)?.jobs === true;
  if (!isJob || allocation?.startedAtMs !== null) return undefined;
  return nodes.why(allocation.runner) ?? undefined;
}

/** What was found by `waitOf`, in one sentence. */
export const waitWords = (wait: WaitReason | string, nowMs: number): string =>
  typeof wait === "string" ? wait : describeWait(wait, nowMs);

/** Why a trial waits, in one sentence; undefined where it does not. */
export function waitReason(
  context: Context,
  experiment: number,
  number: number,
): string | undefined {
  const live = context.world.experiments.get(experiment);
  const wait = live && waitOf(context, live, number);
  return wait === undefined ? undefined : waitWords(wait, context.clock.nowMs());
}
