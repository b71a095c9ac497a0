/**
 * What priority puts an experiment before or after another one. The queue is in the order of (priority, time of
 * submission, number), so a place is reached by the priority alone where the time allows it; it moves by the smallest step
 * that does. Nothing here preempts: what holds slots keeps them.
 */
import type { Job } from "../../../src/protocol/api.ts";

export type Place = Pick<Job, "experiment" | "priority" | "submitted_at">;

const FIRST = 1;
const LAST = 99;

/** @returns below 0 where `a` goes first */
export function queueOrder(a: Place, b: Place): number {
  return (
    a.priority - b.priority ||
    Date.parse(a.submitted_at) - Date.parse(b.submitted_at) ||
    a.experiment - b.experiment
  );
}

/** @returns the priority, or undefined where none does it: 1 and 99 are the ends */
export function priorityBefore(moved: Place, target: Place): number | undefined {
  const same = { ...moved, priority: target.priority };
  const priority = queueOrder(same, target) < 0 ? target.priority : target.priority - 1;
  return priority >= FIRST ? priority : undefined;
}

export function priorityAfter(moved: Place, target: Place): number | undefined {
  const same = { ...moved, priority: target.priority };
  const priority = queueOrder(same, target) > 0 ? target.priority : target.priority + 1;
  return priority <= LAST ? priority : undefined;
}

/** Dropped on a row: before it from below, after it from above. */
export function priorityFor(order: readonly Place[], from: number, to: number): number | undefined {
  const [moved, target] = [order[from], order[to]];
  if (!moved || !target || from === to) return undefined;
  return from > to ? priorityBefore(moved, target) : priorityAfter(moved, target);
}
