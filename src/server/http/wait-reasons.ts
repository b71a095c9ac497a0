import { describeWait } from "../../core/schedule/plan.ts";
import type { RouteContext } from "./context.ts";

/** For every trial that waits for slots, why: trial id → one sentence. */
export function waitReasons(context: Pick<RouteContext, "world" | "clock">): Map<string, string> {
  const nowMs = context.clock.nowMs();
  const plan = context.world.plan(nowMs);
  return new Map(plan.waits.map(({ task, reason }) => [task.id, describeWait(reason, nowMs)]));
}
