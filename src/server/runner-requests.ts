/** What a runner's requests come to, once they were let in: HTTP brings them in earnest, a virtual network in the simulator. */
import type { SyncReply, SyncRequest } from "../protocol/runner-wire.ts";
import { applyConfirmation } from "./leases.ts";
import type { Ledger } from "./ledger.ts";
import type { PastAllocation } from "./live-experiment.ts";
import { commitFailure, type DecisionLoop } from "./loops/decision-loop.ts";
import type { Leases } from "./loops/lease-loop.ts";
import { type OrdersContext, ordersFor } from "./orders.ts";
import { applySync, pointsAhead, type Synced, type TreeName } from "./sync.ts";
import { nextSliceValues, slicesOf, VALUES_A_SLICE_MIN } from "./sync-slices.ts";

/** @param more rows of allocations that are not live, and names of the trees, both found before the turn */
export async function answerSync(
  context: {
    readonly loop: DecisionLoop;
    readonly ledger: Pick<Ledger, "storeAhead">;
    readonly orders: OrdersContext;
    readonly leases: Leases;
  },
  runner: string,
  request: SyncRequest,
  more: {
    readonly past: ReadonlyMap<string, PastAllocation>;
    readonly treeName: TreeName;
    /** Of every slice; the simulator cuts finer, so that faults fall between slices. */
    readonly valuesMax?: number;
  },
): Promise<SyncReply> {
  const { loop, orders } = context;
  await context.leases.heard(runner, request.boot);
  let valuesMax = more.valuesMax ?? VALUES_A_SLICE_MIN;
  const { slices, ahead } = slicesOf(request.allocations, {
    valuesMax: () => valuesMax,
    aheadMax: more.valuesMax,
  });
  const acked: Synced["acked"] = {};
  const gone = new Set<string>();
  for (const slice of slices) {
    if ("ahead" in slice) {
      const points = await loop.submit({
        name: "sync",
        run: (world, turn) => pointsAhead(world, turn, slice.ahead, more.past),
      });
      if (points.length > 0)
        await context.ledger.storeAhead(points).catch((error: unknown) => {
          throw commitFailure(error);
        });
      continue;
    }
    // Also where there is nothing to store: how far an allocation was heard may be told only in its turn.
    const heard = await loop.submit({
      name: "sync",
      values: slice.values,
      run: (world, turn): Synced => {
        const told = applySync(world, turn, slice, more.past, more.treeName, ahead);
        if (slice.isLast) applyConfirmation(world, turn, runner, request);
        return told;
      },
    });
    Object.assign(acked, heard.acked);
    for (const id of heard.gone) gone.add(id);
    if (more.valuesMax === undefined) valuesMax = nextSliceValues(valuesMax, loop.isAwaited);
  }
  const { leaseDurable: lease } = loop.world.runners.get(runner);
  return { acked, gone: [...gone], ...ordersFor(orders, runner, request.ordersAfter), lease };
}
