/**
 * What a run would delete, computed by the same rules and changing nothing: the checkpoints with their reasons, the
 * experiments whose time is over, and the bytes that would come free, each shared blob counted once.
 */
import type { Clock } from "../../base/clock.ts";
import { type KeepReason, RESTORABLE_MS } from "../../core/retention/retention.ts";
import { deletionText } from "../../core/retention/sentences.ts";
import type { RetentionStore, StoredCheckpoint } from "../../store/retention-store.ts";
import type { TreeRegister } from "../../store/tree-store.ts";
import type { DecisionLoop } from "../loops/decision-loop.ts";
import type { LeastTime } from "./least-time.ts";
import type { Marks } from "./state.ts";
import type { Sweeper } from "./sweeper.ts";
import { verdictsOn } from "./verdicts.ts";

/** More are counted and not listed. */
const LISTED_MAX = 1_000;
const TREES_MAX = 1_000_000;

export interface PlannedCheckpoint extends StoredCheckpoint {
  readonly experiment: number;
  readonly why: string;
}

export interface GcPlan {
  readonly checkpoints: {
    readonly count: number;
    readonly listed: readonly PlannedCheckpoint[];
    /** Of those that stay, how many for which reason; one can have several. */
    readonly kept: Readonly<Partial<Record<KeepReason, number>>>;
  };
  readonly experiments: readonly Marks[];
  readonly bytes: {
    /** Of checkpoints and experiments above, and of what was deleted before. */
    readonly snapshots: number;
    /** Of uploads that nobody finished. */
    readonly leftovers: number;
  };
  readonly blobs: number;
}

export async function planGc(of: {
  readonly loop: DecisionLoop;
  readonly store: RetentionStore;
  readonly trees: TreeRegister;
  readonly clock: Clock;
  readonly sweeper: Sweeper;
  /** By which experiments are due. */
  readonly leastTime: LeastTime;
  readonly only: number | undefined;
}): Promise<GcPlan> {
  const { loop, store, trees, clock, sweeper, leastTime, only } = of;
  const now = new Date(clock.nowMs());
  await sweeper.register();
  const doomed: StoredCheckpoint[] = [];
  const listed: PlannedCheckpoint[] = [];
  const kept: Partial<Record<KeepReason, number>> = {};
  for (const id of await store.withCheckpoints(only)) {
    const experiment = await store.experiment(id);
    if (!experiment) continue;
    const pinned = await loop.read((world) => new Set(world.retention.pinned(id)));
    const { policy, verdicts } = await verdictsOn(store, experiment, pinned);
    for (const { checkpoint, keep } of verdicts) {
      for (const reason of keep) kept[reason] = (kept[reason] ?? 0) + 1;
      if (keep.length > 0 || policy === null) continue;
      doomed.push(checkpoint);
      if (listed.length < LISTED_MAX)
        listed.push({ ...checkpoint, experiment: id, why: deletionText(checkpoint, policy) });
    }
  }
  const experiments = await loop.read((world) =>
    world.retention
      .deleted()
      .filter(
        (m) => m.purged_at !== null || leastTime.nowMs - Number(m.deleted_at) >= RESTORABLE_MS,
      )
      .filter((m) => only === undefined || m.experiment_id === only),
  );
  const released = await store.releasedBy({
    checkpoints: doomed,
    experiments: experiments.map((m) => m.experiment_id),
  });
  const pending =
    only === undefined ? await trees.unused({ after: "", limit: TREES_MAX, now }) : [];
  const own = await trees.ownBlobs([...new Set([...released, ...pending])]);
  const leased = await trees.leased(
    own.map(({ blob }) => blob),
    now,
  );
  const free = own.filter(({ blob }) => !leased.has(blob));
  let blobs = free.length;
  let leftovers = 0;
  if (only === undefined)
    for await (const found of sweeper.orphans()) {
      blobs += found.length;
      for (const { size } of found) leftovers += size;
    }
  return {
    checkpoints: { count: doomed.length, listed, kept },
    experiments,
    bytes: { snapshots: free.reduce((sum, { size }) => sum + size, 0), leftovers },
    blobs,
  };
}
