/**
 * The runners as the server knows them: their leases, which are stored, and what it has heard itself since it
 * started, which is not. Leases change in turns of the decision loop alone; that somebody spoke is noted at once.
 */
import {
  type Hearing,
  heardNow,
  type Lease,
  NEVER_HEARD,
  newLease,
  whyWithheld,
} from "../core/lease/lease.ts";
import type { Meeting } from "../protocol/node-wire.ts";
import type { RunnerRow } from "../store/schema.ts";

export interface LiveRunner {
  readonly id: string;
  lease: Lease;
  hearing: Hearing;
  /** When a server before this one had last noted that it was heard; for people. */
  heardBeforeMs: number | null;
  /** Of the lease that is certainly durable. Runners are told no other, so that a commit that fails takes nothing back
   *  that one of them has acted on. */
  leaseDurable: number;
  /** When the engine last said that its process lives, wall time; null = not since it was last heard. */
  aliveAtMs: number | null;
  /** Of a job of several nodes: where its head awaits the others. It says so again until all have come. */
  meeting: Meeting | null;
}

export class LiveRunners {
  readonly #runners = new Map<string, LiveRunner>();
  readonly #startedAtMs: number;

  constructor(ids: readonly string[], nowMs: number) {
    this.#startedAtMs = nowMs;
    for (const id of ids) this.get(id);
  }

  get all(): LiveRunner[] {
    return [...this.#runners.values()];
  }

  has(id: string): boolean {
    return this.#runners.has(id);
  }

  /** One that is asked for is there: an allocation may name a runner that offers no slots any more. */
  get(id: string): LiveRunner {
    let runner = this.#runners.get(id);
    if (!runner) {
      const lease = newLease(this.#startedAtMs);
      runner = {
        ...{ id, lease, hearing: NEVER_HEARD, heardBeforeMs: null },
        ...{ leaseDurable: lease.number, aliveAtMs: null, meeting: null },
      };
      this.#runners.set(id, runner);
    }
    return runner;
  }

  forget(id: string): void {
    this.#runners.delete(id);
  }

  /** Why nothing is granted on this runner's slots; undefined where it is. */
  withheld(id: string): string | undefined {
    const runner = this.#runners.get(id);
    return runner && whyWithheld(id, runner.lease);
  }

  /** Whether something is granted on this runner's slots. */
  grants(id: string): boolean {
    return this.withheld(id) === undefined;
  }

  /** It said something. Any word counts, also one that comes to nothing. */
  heard(id: string, nowMs: number): void {
    const runner = this.get(id);
    runner.hearing = heardNow(nowMs);
    runner.aliveAtMs = null;
  }

  /** What is stored holds; those of whom nothing is stored are new. */
  load(rows: readonly RunnerRow[]): void {
    const stored = new Map(rows.map((row) => [row.id, row]));
    for (const id of stored.keys()) this.get(id);
    for (const runner of this.#runners.values()) {
      const row = stored.get(runner.id);
      runner.lease = row ? leaseFromRow(row) : newLease(this.#startedAtMs);
      runner.leaseDurable = runner.lease.number;
      runner.heardBeforeMs = row?.heard_at?.getTime() ?? null;
    }
  }

  /** A turn was committed. */
  durable(): void {
    for (const runner of this.#runners.values()) runner.leaseDurable = runner.lease.number;
  }
}

export function runnerRow({ id, lease, hearing, heardBeforeMs }: LiveRunner): RunnerRow {
  const { standing, number, boot, cause, sinceMs } = lease;
  const heardAtMs = hearing.heardAtMs ?? heardBeforeMs;
  return {
    ...{ id, standing, lease: number, boot, cause, since: new Date(sinceMs) },
    heard_at: heardAtMs === null ? null : new Date(heardAtMs),
  };
}

export const leaseFromRow = (row: RunnerRow): Lease => ({
  standing: row.standing,
  number: row.lease,
  boot: row.boot,
  cause: row.cause,
  sinceMs: row.since.getTime(),
});
