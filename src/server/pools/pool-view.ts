/** Pools as the API shows them. */
import type * as api from "../../protocol/api.ts";
import type { RouteContext } from "../http/context.ts";
import type { World } from "../world.ts";

export function poolViews(
  world: World,
  { clock, nodes }: Pick<RouteContext, "clock" | "nodes">,
): api.Pool[] {
  return nodes.pools.map(({ pool, info, slots, reason }) => {
    const room = world.room(info.name);
    return {
      ...{ name: info.name, engine: info.engine, description: pool.description ?? null },
      default: info.name === world.firstPool,
      slots: slots.length,
      held: slots.filter(({ id }) => world.holders.has(id)).length,
      slots_per_trial_max: room.largest,
      slots_per_node: info.perJob?.slotsPerNode ?? null,
      ...{
        reason,
        waiting: world.waits.in(info.name, clock.nowMs()).size,
        trouble: nodes.silence(info.name),
      },
    };
  });
}
