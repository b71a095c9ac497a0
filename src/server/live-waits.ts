/**
 * What waits for slots and why, for whoever looks: the plan of a pool, kept until it may be another.
 *
 * A plan over 10,000 trials and 100 runners takes tens of milliseconds, and pages, streams and `why` ask for many a
 * second. What a plan is made of changes in turns alone, and time changes it only where a backoff ends: so one
 * serves everybody until either happens. Words are made of a reason where somebody reads them.
 */
import type { Plan, SchedulableTask, WaitReason } from "../core/schedule/plan.ts";

export interface LiveWait {
  readonly task: SchedulableTask;
  readonly reason: WaitReason;
  /** In the queue of its pool; 1 = first. */
  readonly position: number;
  /** How many wait in that queue. */
  readonly waiting: number;
}

interface Planned {
  /** In the order of the queue, by trial. */
  readonly waits: ReadonlyMap<string, LiveWait>;
  readonly fromMs: number;
  /** When the first backoff ends; Infinity = there is none. */
  readonly untilMs: number;
}

export class LiveWaits {
  readonly #plan: (pool: string, nowMs: number) => Plan;
  readonly #planned = new Map<string, Planned>();

  constructor(plan: (pool: string, nowMs: number) => Plan) {
    this.#plan = plan;
  }

  /** What waits in a pool, in the order of its queue: trial id → why. */
  in(pool: string, nowMs: number): ReadonlyMap<string, LiveWait> {
    const known = this.#planned.get(pool);
    if (known && known.fromMs <= nowMs && nowMs < known.untilMs) return known.waits;
    const { waits } = this.#plan(pool, nowMs);
    const untilMs = waits.reduce(
      (first, { reason }) => (reason.code === "backoff" ? Math.min(first, reason.untilMs) : first),
      Number.POSITIVE_INFINITY,
    );
    const waiting = waits.length;
    const found = new Map(
      waits.map((wait, i) => [wait.task.id, { ...wait, position: i + 1, waiting }]),
    );
    this.#planned.set(pool, { waits: found, fromMs: nowMs, untilMs });
    return found;
  }

  /** A turn has changed what plans are made of. */
  forget(): void {
    this.#planned.clear();
  }
}
