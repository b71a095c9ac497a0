/**
 * Who starts now, and why the others wait: `planStarts(snapshot) → Plan`, from one consistent snapshot.
 *
 * Order is (priority, time of submission, trial number), all of them immutable while a task waits, so the
 * order can't surprise anyone. Trials of a deterministic search stand in the order in which their results count. A task that needs several slots gets all or none. The first task that
 * does not fit keeps what is free for itself: nothing behind it starts, so a wide task is never starved by
 * narrow ones that arrive for ever. One that needs more slots than there are (the machine came back with
 * fewer) keeps nothing, or it would hold up everybody for good. Alternative refused: backfilling behind it, which without known
 * durations trades a bounded wait for a little utilisation.
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

export interface Snapshot {
  /** Free slots in the order in which they are to be used. */
  readonly free: readonly string[];
  readonly slotsTotal: number;
  readonly queue: readonly SchedulableTask[];
  /** Experiment → most slots it may hold; absent = no bound. */
  readonly slotsMax: ReadonlyMap<number, number>;
  /** Experiment → slots it holds now. */
  readonly held: ReadonlyMap<number, number>;
  readonly nowMs: number;
}

export interface Start {
  readonly task: SchedulableTask;
  readonly slots: readonly string[];
  readonly reason: string;
}

export type WaitReason =
  | { readonly code: "backoff"; readonly untilMs: number }
  | { readonly code: "slots_max"; readonly max: number; readonly held: number }
  | {
      readonly code: "no_free_slot";
      readonly needed: number;
      readonly free: number;
      readonly total: number;
    }
  /** It needs more than there are at all, so it keeps nothing from those behind it. */
  | { readonly code: "too_few_slots"; readonly needed: number; readonly total: number }
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

/** @param snapshot its `queue` in any order */
export function planStarts(snapshot: Snapshot): Plan {
  const queue = [...snapshot.queue].sort(compareTasks);
  const free = [...snapshot.free];
  const held = new Map(snapshot.held);
  const starts: Start[] = [];
  const waits: Plan["waits"][number][] = [];
  let blocker: SchedulableTask | undefined;
  for (const task of queue) {
    const reason = whyNot(task, { free: free.length, held, blocker, snapshot });
    if (reason !== undefined) {
      if (reason.code === "no_free_slot") blocker ??= task;
      waits.push({ task, reason });
      continue;
    }
    const slots = free.splice(0, task.slots);
    held.set(task.group, (held.get(task.group) ?? 0) + task.slots);
    const place =
      waits.length === 0 ? "first in the queue" : "everything ahead of it waits for something else";
    starts.push({ task, slots, reason: `${slots.join(" ")} free, ${place}` });
  }
  return { starts, waits };
}

function whyNot(
  task: SchedulableTask,
  at: {
    free: number;
    held: ReadonlyMap<number, number>;
    blocker: SchedulableTask | undefined;
    snapshot: Snapshot;
  },
): WaitReason | undefined {
  const total = at.snapshot.slotsTotal;
  if (task.slots > total) return { code: "too_few_slots", needed: task.slots, total };
  if (task.notBeforeMs > at.snapshot.nowMs) return { code: "backoff", untilMs: task.notBeforeMs };
  const max = at.snapshot.slotsMax.get(task.group);
  const held = at.held.get(task.group) ?? 0;
  if (max !== undefined && held + task.slots > max) return { code: "slots_max", max, held };
  if (at.blocker !== undefined)
    return { code: "behind", ahead: at.blocker.id, aheadNeeds: at.blocker.slots };
  if (task.slots > at.free)
    return { code: "no_free_slot", needed: task.slots, free: at.free, total };
  return undefined;
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
    case "no_free_slot":
      return `needs ${plural(reason.needed)}; ${reason.free} of ${reason.total} are free`;
    case "behind":
      return `behind ${reason.ahead}, which needs ${plural(reason.aheadNeeds)}`;
  }
}

const plural = (slots: number): string => (slots === 1 ? "1 slot" : `${slots} slots`);

/**
 * Could this request ever be placed, were everything free?
 * @returns undefined when it could, otherwise the largest number of slots that would fit
 */
export function largestThatFits(slots: number, slotsTotal: number): number | undefined {
  return slots <= slotsTotal ? undefined : slotsTotal;
}
