/** What a runner's requests come to, once they were let in: HTTP brings them in earnest, a virtual network in the simulator. */
import type { SyncReply, SyncRequest } from "../protocol/runner-wire.ts";
import { applyConfirmation } from "./leases.ts";
import type { PastAllocation } from "./live-experiment.ts";
import type { DecisionLoop } from "./loops/decision-loop.ts";
import type { Leases } from "./loops/lease-loop.ts";
import { type OrdersContext, ordersFor } from "./orders.ts";
import { applySync, type TreeName } from "./sync.ts";

/** @param more rows of allocations that are not live, and names of the trees, both found before the turn */
export async function answerSync(
  context: { readonly loop: DecisionLoop; readonly orders: OrdersContext; readonly leases: Leases },
  runner: string,
  request: SyncRequest,
  more: { readonly past: ReadonlyMap<string, PastAllocation>; readonly treeName: TreeName },
): Promise<SyncReply> {
  const { loop, orders } = context;
  await context.leases.heard(runner, request.boot);
  // Also where there is nothing to store: how far an allocation was heard may be told only in its turn.
  const synced = await loop.submit({
    name: "sync",
    run: (world, turn) => {
      const heard = applySync(world, turn, request, more.past, more.treeName);
      applyConfirmation(world, turn, runner, request);
      return heard;
    },
  });
  const { leaseDurable: lease } = loop.world.runners.get(runner);
  return { ...synced, ...ordersFor(orders, runner, request.ordersAfter), lease };
}
