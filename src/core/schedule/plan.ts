/**
 * Who starts now, and why the others wait: `planStarts(snapshot) → Plan`, from one consistent snapshot.
 *
 * Order is (priority, time of submission, trial number), all of them immutable while a task waits, so the
 * order can't surprise anyone. Trials of a deterministic search stand in the order in which their results count. A task that needs several slots gets all or none. The first task that
 * does not fit keeps what is free for itself: nothing behind it starts, so a wide task is never starved by
 * narrow ones that arrive for ever. One that needs more slots than there are (the machine came back with
 * fewer) keeps nothing, or it would hold up everybody for good. Alternative refused: backfilling behind it, which
 * without known durations trades a bounded wait for a little utilisation.
 *
 * All slots of a task are of one runner. Where several could take it, the one with the least left over does, so that
 * wide tasks still find room elsewhere. A runner that is silent or lost takes nothing, and who needs that very one
 * waits without holding up the others.
 */
export interface SchedulableTask {
  /** Opaque to the plan; unique. */
  readonly id: string;
  /** Experiment; `slotsMax` counts over all of its tasks. */
  readonly group: number;
  readonly slots: number;
  /** 1 … 99, smaller first. */
  readonly priority: number;
  readonly submittedAtMs: number;
  readonly number: number;
  /** Within its group: when its result counts in virtual time; absent = by number alone. */
  readonly due?: number;
  /** Not to be started before; 0 = at once. */
  readonly notBeforeMs: number;
}

/** What one runner has to give. */
export interface RunnerSlots {
  readonly runner: string;
  /** Free slots in the order in which they are to be used. */
  readonly free: readonly string[];
  readonly total: number;
  /** Nothing is granted here: it is silent or lost. */
  readonly withheld: boolean;
}

export interface Snapshot {
  readonly runners: readonly RunnerSlots[];
  readonly queue: readonly SchedulableTask[];
  /** Experiment → most slots it may hold; absent = no bound. */
  readonly slotsMax: ReadonlyMap<number, number>;
  /** Experiment → slots it holds now. */
  readonly held: ReadonlyMap<number, number>;
  readonly nowMs: number;
}

export interface Start {
  readonly task: SchedulableTask;
  readonly runner: string;
  readonly slots: readonly string[];
  readonly reason: string;
}

export type WaitReason =
  | { readonly code: "backoff"; readonly untilMs: number }
  | { readonly code: "slots_max"; readonly max: number; readonly held: number }
  | {
      readonly code: "no_free_slot";
      readonly needed: number;
      /** The most that are free on one runner. */
      readonly free: number;
      readonly total: number;
      /** Of `total`: those of runners that are silent or lost. */
      readonly withheld: number;
    }
  /** It needs more than any runner has at all, so it keeps nothing from those behind it. */
  | { readonly code: "too_few_slots"; readonly needed: number; readonly total: number }
  /** Its pool is not there, so nothing of it is granted to anybody. */
  | { readonly code: "no_pool"; readonly pool: string; readonly pools: readonly string[] }
  /** Something ahead of it does not fit yet and keeps the free slots. */
  | { readonly code: "behind"; readonly ahead: string; readonly aheadNeeds: number };

export interface Plan {
  /** Over disjoint slots. */
  readonly starts: readonly Start[];
  /** Exactly the tasks of the queue that do not start, in order. */
  readonly waits: readonly { readonly task: SchedulableTask; readonly reason: WaitReason }[];
}

export function compareTasks(a: SchedulableTask, b: SchedulableTask): number {
  return (
    a.priority - b.priority ||
    a.submittedAtMs - b.submittedAtMs ||
    a.group - b.group ||
    (a.due ?? 0) - (b.due ?? 0) ||
    a.number - b.number
  );
}

/** A runner's free slots while a plan is made. */
interface Room {
  readonly runner: string;
  readonly free: string[];
}

/**
 * Walks the runners once, and again for each task that starts: thousands may wait, and a plan is made in every turn.
 * @param snapshot its `queue` in any order
 */
export function planStarts(snapshot: Snapshot): Plan {
  const queue = [...snapshot.queue].sort(compareTasks);
  const rooms: Room[] = snapshot.runners
    .filter(({ withheld }) => !withheld)
    .map(({ runner, free }) => ({ runner, free: [...free] }));
  const size = sizeOf(snapshot.runners);
  const held = new Map(snapshot.held);
  const starts: Start[] = [];
  const waits: Plan["waits"][number][] = [];
  let freeMost = mostFree(rooms);
  let blocker: SchedulableTask | undefined;
  for (const task of queue) {
    const before = hindrance(task, { size, held, blocker, snapshot });
    if (before !== undefined) {
      waits.push({ task, reason: before });
      continue;
    }
    const room = task.slots > freeMost ? undefined : tightest(rooms, task.slots);
    if (room === undefined) {
      if (task.slots <= size.widest) blocker = task;
      const { total, withheld } = size;
      const needed = task.slots;
      waits.push({
        task,
        reason: { code: "no_free_slot", needed, free: freeMost, total, withheld },
      });
      continue;
    }
    const slots = room.free.splice(0, task.slots);
    freeMost = mostFree(rooms);
    held.set(task.group, (held.get(task.group) ?? 0) + task.slots);
    const place =
      waits.length === 0 ? "first in the queue" : "everything ahead of it waits for something else";
    const reasonWhy = `${slots.join(" ")} free, ${place}`;
    starts.push({ task, runner: room.runner, slots, reason: reasonWhy });
  }
  return { starts, waits };
}

/** Of a queue before a pool that is not there: all of it waits, in its order. */
export function planNowhere(
  queue: readonly SchedulableTask[],
  { pool, pools }: { readonly pool: string; readonly pools: readonly string[] },
): Plan {
  const reason = { code: "no_pool" as const, pool, pools };
  return { starts: [], waits: queue.toSorted(compareTasks).map((task) => ({ task, reason })) };
}

/** What the runners of a pool have, whoever holds it. */
interface PoolSize {
  /** Of the runner that has the most. */
  readonly largest: number;
  /** The same of those on which something is granted. */
  readonly widest: number;
  readonly total: number;
  /** Of `total`: those of runners that are silent or lost. */
  readonly withheld: number;
}

function sizeOf(runners: readonly RunnerSlots[]): PoolSize {
  let [largest, widest, sum, away] = [0, 0, 0, 0];
  for (const { total, withheld } of runners) {
    largest = Math.max(largest, total);
    sum += total;
    if (withheld) away += total;
    else widest = Math.max(widest, total);
  }
  return { largest, widest, total: sum, withheld: away };
}

/** The most that are free on one runner. */
const mostFree = (rooms: readonly Room[]): number =>
  rooms.reduce((most, { free }) => Math.max(most, free.length), 0);

/** The first of those with the least left over. */
function tightest(rooms: readonly Room[], slots: number): Room | undefined {
  let best: Room | undefined;
  for (const room of rooms)
    if (room.free.length >= slots && (!best || room.free.length < best.free.length)) best = room;
  return best;
}

/** Why a task waits whatever is free. */
function hindrance(
  task: SchedulableTask,
  at: {
    size: PoolSize;
    held: ReadonlyMap<number, number>;
    blocker: SchedulableTask | undefined;
    snapshot: Snapshot;
  },
): WaitReason | undefined {
  const { largest } = at.size;
  if (task.slots > largest) return { code: "too_few_slots", needed: task.slots, total: largest };
  if (task.notBeforeMs > at.snapshot.nowMs) return { code: "backoff", untilMs: task.notBeforeMs };
  const max = at.snapshot.slotsMax.get(task.group);
  const held = at.held.get(task.group) ?? 0;
  if (max !== undefined && held + task.slots > max) return { code: "slots_max", max, held };
  if (at.blocker === undefined) return undefined;
  return { code: "behind", ahead: at.blocker.id, aheadNeeds: at.blocker.slots };
}

/** The reason in one sentence for people. */
export function describeWait(reason: WaitReason, nowMs: number): string {
  switch (reason.code) {
    case "backoff":
      return `waits ${Math.max(0, (reason.untilMs - nowMs) / 1000).toFixed(1)} s before the next attempt`;
    case "slots_max":
      return `its experiment holds ${reason.held} slots and resources.max_slots is ${reason.max}`;
    case "too_few_slots":
      return `needs ${plural(reason.needed)}; there ${reason.total === 1 ? "is" : "are"} ${reason.total} in all, so it cannot start here`;
    case "no_pool":
      return `its pool ${reason.pool} is not one of this server's: ${reason.pools.join(", ")}`;
    case "no_free_slot":
      return `needs ${plural(reason.needed)}; ${reason.free} of ${reason.total} are free${withheldWords(reason.withheld)}`;
    case "behind":
      return `behind ${reason.ahead}, which needs ${plural(reason.aheadNeeds)}`;
  }
}

/** e.g. "; 2 slots are held back, because their runner is silent or lost". */
export const withheldWords = (withheld: number): string =>
  withheld === 0
    ? ""
    : `; ${plural(withheld)} ${withheld === 1 ? "is" : "are"} held back, because the runner is silent or lost`;

const plural = (slots: number): string => (slots === 1 ? "1 slot" : `${slots} slots`);

/**
 * Could this request ever be placed, were everything free?
 * @param slotsLargest of the runner that has the most @returns undefined when it could, otherwise the largest number of slots that would fit
 */
export function largestThatFits(slots: number, slotsLargest: number): number | undefined {
  return slots <= slotsLargest ? undefined : slotsLargest;
}
