import { describeWait } from "../../core/schedule/plan.ts";
import type { RouteContext } from "./context.ts";

/**
 * For every trial that waits, why: trial id → one sentence. Who has slots and has not started may wait still, in the
 * queue of the engine that its job was given to.
 */
export function waitReasons(
  context: Pick<RouteContext, "world" | "clock" | "nodes">,
): Map<string, string> {
  const { world, nodes } = context;
  const nowMs = context.clock.nowMs();
  const reasons = new Map<string, string>();
  for (const { waits } of world.waits(nowMs))
    for (const { task, reason } of waits) reasons.set(task.id, describeWait(reason, nowMs));
  for (const live of world.experiments.values()) {
    if (world.pools.get(live.pool)?.jobs !== true) continue;
    for (const [number, { runner, startedAtMs }] of live.allocations) {
      const why = startedAtMs === null ? nodes.why(runner) : null;
      if (why !== null) reasons.set(`${live.id}.${number}`, why);
    }
  }
  return reasons;
}
