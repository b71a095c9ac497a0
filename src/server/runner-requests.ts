/** What a runner's requests come to, once they were let in: HTTP brings them in earnest, a virtual network in the simulator. */
import { ContrailError } from "../protocol/errors.ts";
import type { SyncReply, SyncRequest } from "../protocol/runner-wire.ts";
import { applyConfirmation } from "./leases.ts";
import type { Ledger } from "./ledger.ts";
import type { PastAllocation } from "./live-experiment.ts";
import { commitFailure, type DecisionLoop } from "./loops/decision-loop.ts";
import type { Leases } from "./loops/lease-loop.ts";
import { type OrdersContext, ordersFor } from "./orders.ts";
import { applySync, findLive, isOthers, pointsAhead, type Synced, type TreeName } from "./sync.ts";
import { nextSliceValues, type Slice, slicesOf, VALUES_A_SLICE_MIN } from "./sync-slices.ts";

/** Events for which something is stored before their turn. */
const STORED_BEFORE = new Set(["checkpoint", "record"]);

/**
 * A request without the events that were heard before, and those of others' allocations: of what is left, lists of files
 * and records are stored before the turn. Only what is durable was heard: a turn that fails takes its numbers back, and then
 * such a list has to be there. @param past rows of allocations that are not live
 */
export async function unheardOf(
  loop: Pick<DecisionLoop, "read">,
  runner: string,
  request: SyncRequest,
  past: ReadonlyMap<string, PastAllocation>,
): Promise<SyncRequest> {
  const isCostly = request.allocations.some(({ events }) =>
    events.some(({ type }) => STORED_BEFORE.has(type)),
  );
  // Nobody else waits for a commit that is under way.
  if (!isCostly) return request;
  return loop.read((world) => ({
    ...request,
    allocations: request.allocations.map((sent) => {
      if (isOthers(world, runner, sent.id)) return { ...sent, events: [] };
      const heard = findLive(world, sent.id)?.allocation.acked ?? past.get(sent.id)?.acked ?? 0;
      return { ...sent, events: sent.events.filter(({ seq }) => seq > heard) };
    }),
  }));
}

interface SyncContext {
  readonly loop: DecisionLoop;
  readonly ledger: Pick<Ledger, "storeAhead">;
  readonly orders: OrdersContext;
  readonly leases: Leases;
}

/**
 * What a mistake of ours costs is one experiment's: those of others in the same request are stored all the same. The answer
 * is a failure even so, because a runner that was told a number would send the rest again at once; it halves what it sends
 * until it knows which allocation to leave out.
 * @param more rows of allocations that are not live, and names of the trees, both found before the turn
 */
export async function answerSync(
  context: SyncContext,
  runner: string,
  request: SyncRequest,
  more: {
    readonly past: ReadonlyMap<string, PastAllocation>;
    readonly treeName: TreeName;
    /** Of every slice; the simulator cuts finer, so that faults fall between slices. */
    readonly valuesMax?: number;
  },
): Promise<SyncReply> {
  const { loop, orders, ledger } = context;
  await context.leases.heard(runner, request.boot);
  let valuesMax = more.valuesMax ?? VALUES_A_SLICE_MIN;
  const { slices, ahead } = slicesOf(request.allocations, {
    valuesMax: () => valuesMax,
    aheadMax: more.valuesMax,
  });
  const acked: Synced["acked"] = {};
  const gone = new Set<string>();
  const store = async (slice: Slice): Promise<void> => {
    if ("ahead" in slice) {
      const points = await loop.submit({
        name: "sync",
        run: (world, turn) => pointsAhead(world, turn, { runner, ...slice.ahead }, more.past),
      });
      if (points.length > 0)
        await ledger.storeAhead(points).catch((error: unknown) => {
          throw commitFailure(error);
        });
      return;
    }
    // Also where there is nothing to store: how far an allocation was heard may be told only in its turn.
    const heard = await loop.submit({
      name: "sync",
      values: slice.values,
      run: (world, turn): Synced => {
        const said = { runner, allocations: slice.allocations };
        const told = applySync(world, turn, said, more.past, more.treeName, ahead);
        if (slice.isLast) applyConfirmation(world, turn, runner, request);
        return told;
      },
    });
    Object.assign(acked, heard.acked);
    for (const id of heard.gone) gone.add(id);
  };
  const failures = new Map<string, ContrailError>();
  for (const slice of slices) {
    const isLeft = (experiment: string): boolean => !failures.has(experiment);
    await storeByExperiment(partOf(slice, isLeft), store, failures);
    if (more.valuesMax === undefined) valuesMax = nextSliceValues(valuesMax, loop.isAwaited);
  }
  for (const failure of failures.values()) throw failure;
  const { leaseDurable: lease } = loop.world.runners.get(runner);
  return { acked, gone: [...gone], ...ordersFor(orders, runner, request.ordersAfter), lease };
}

/** All at once; only where that fails by a mistake of ours, each experiment by itself. @param failures added to, by experiment */
async function storeByExperiment(
  slice: Slice | null,
  store: (slice: Slice) => Promise<void>,
  failures: Map<string, ContrailError>,
): Promise<void> {
  if (slice === null) return;
  try {
    await store(slice);
  } catch (error) {
    const experiments = experimentsOf(slice);
    if (!(error instanceof ContrailError) || error.code !== "internal") throw error;
    const [only] = experiments;
    if (only === undefined) throw error;
    if (experiments.size === 1) failures.set(only, error);
    else {
      for (const experiment of experiments) {
        const own = partOf({ ...slice, isLast: false }, (other) => other === experiment);
        await storeByExperiment(own, store, failures);
      }
    }
    if (slice.isLast) await store({ allocations: [], values: 0, isLast: true });
  }
}

const experimentOf = (id: string): string => id.split(".", 1)[0] as string;

const experimentsOf = (slice: Slice): Set<string> =>
  new Set(("ahead" in slice ? [slice.ahead] : slice.allocations).map(({ id }) => experimentOf(id)));

/** @returns what some experiments have in a slice; null where that is metrics of another */
function partOf(slice: Slice, has: (experiment: string) => boolean): Slice | null {
  if ("ahead" in slice) return has(experimentOf(slice.ahead.id)) ? slice : null;
  return { ...slice, allocations: slice.allocations.filter(({ id }) => has(experimentOf(id))) };
}
