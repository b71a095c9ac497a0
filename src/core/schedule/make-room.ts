/**
 * `makeRoom(snapshot) → who gives slots back`: trials that stand still with slots (their result waits for
 * others) give them to tasks that wait for slots.
 *
 * Only as many as are missing go, whoever will be needed last first: each of them has to start its program
 * again later. Slots that others are giving back already count as there.
 */
import type { WaitReason } from "./plan.ts";

export interface Room {
  /** Tasks that could not start, with the scheduler's reason. */
  readonly waits: readonly {
    readonly task: { readonly group: number; readonly slots: number };
    readonly reason: WaitReason;
  }[];
  /** Slots that are free, and those whose holders were told to go. */
  readonly free: number;
  readonly leaving: readonly { readonly group: number; readonly slots: number }[];
  readonly still: readonly Still[];
}

/** A trial that stands still. */
export interface Still {
  readonly group: number;
  readonly trial: number;
  readonly slots: number;
  /** When it is needed again, in virtual time. */
  readonly due: number;
}

/** @returns those of `still` that are to give their slots back */
export function makeRoom({ waits, free, leaving, still }: Room): Still[] {
  const byNeed = still.toSorted((a, b) => b.due - a.due || b.trial - a.trial || b.group - a.group);
  const gone = new Set<Still>();
  const letGo = (missing: number, from: readonly Still[]): void => {
    let left = missing;
    for (const one of from) {
      if (left <= 0) return;
      if (gone.has(one)) left -= one.slots;
    }
    for (const one of from) {
      if (left <= 0) return;
      if (gone.has(one)) continue;
      gone.add(one);
      left -= one.slots;
    }
  };
  // Where an experiment holds as many as it may, only its own can help.
  const bounded = Map.groupBy(
    waits.filter(({ reason }) => reason.code === "slots_max"),
    ({ task }) => task.group,
  );
  for (const [group, own] of bounded) {
    const { reason } = own[0] as (typeof own)[number];
    if (reason.code !== "slots_max") continue;
    const spare = reason.max - reason.held + sum(leaving.filter((one) => one.group === group));
    const wanted = sum(own.map(({ task }) => task));
    letGo(
      wanted - spare,
      byNeed.filter((one) => one.group === group),
    );
  }
  const anywhere = waits.filter(
    ({ reason: { code } }) => code === "no_free_slot" || code === "behind",
  );
  letGo(sum(anywhere.map(({ task }) => task)) - free - sum(leaving), byNeed);
  return byNeed.filter((one) => gone.has(one));
}

const sum = (all: readonly { readonly slots: number }[]): number =>
  all.reduce((total, { slots }) => total + slots, 0);
