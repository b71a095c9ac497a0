/**
 * Rules about orders. Held against the ledger and against the answers that reached a runner: whoever has heard that it knows
 * all orders up to a version does know them, and what was given up is not begun by a runner that has heard so.
 *
 * A runner asks for what is newer than the last version it heard, so an order that was left out of an answer is never
 * heard again. Most runs that this happens to come to an end all the same, because somebody kills, restarts or
 * pauses the trial that waits for it; hence this is looked at here, and not only at the end.
 */
import type { OrdersReply } from "../protocol/runner-wire.ts";
import type { AllocationRow, RunnerRow } from "../store/schema.ts";
import type { BatchContents } from "../store/write-batch.ts";
import type { MemoryLedger } from "./memory-ledger.ts";
import type { SimContext } from "./sim-context.ts";
import type { Life } from "./timeline.ts";

/** What one process of a runner has heard. */
interface Heard {
  lease: number;
  /** Allocation → the version of the last orders. */
  readonly orders: Map<string, number>;
}

interface PassedOver {
  readonly life: Life;
  readonly allocation: string;
  readonly version: number;
  /** The answer said that it has everything up to here. */
  readonly upTo: number;
}

export class OrderRules {
  readonly #context: SimContext;
  readonly #ledger: MemoryLedger;
  /** Whether nothing is under way that could still change what the ledger says. */
  readonly #settled: () => boolean;
  readonly #heard = new WeakMap<Life, Heard>();
  /** Allocations that live, by id. */
  readonly #live = new Map<string, AllocationRow>();
  /** Allocations of which a runner has told the end, whether the server has heard it or not. */
  readonly #endTold = new Set<string>();
  /** Allocation → the number of its runner's lease from which on it counts as given up. */
  readonly #givenUpUnder = new Map<string, number>();
  /** Left out of an answer, perhaps because they were being replaced just then. */
  #passedOver: PassedOver[] = [];

  constructor(context: SimContext, ledger: MemoryLedger, settled: () => boolean) {
    this.#context = context;
    this.#ledger = ledger;
    this.#settled = settled;
  }

  check({ tables }: BatchContents): void {
    const table = tables.find(({ table: name }) => name === "allocations");
    for (const row of (table?.rows ?? []) as unknown as readonly AllocationRow[]) {
      const id = `${row.experiment_id}.${row.trial_number}.${row.run}`;
      if (row.state !== "ended") this.#live.set(id, row);
      else {
        this.#live.delete(id);
        if (row.exit_heard_at === null) this.#givenUpUnder.set(id, this.#leaseOf(row.runner));
      }
    }
  }

  #leaseOf(runner: string): number {
    const row = this.#ledger.table("runners").get(runner) as RunnerRow | undefined;
    return row?.lease ?? 1;
  }

  endTold(allocation: string): void {
    this.#endTold.add(allocation);
  }

  /** An answer has reached a runner. @param asked for what is newer than this version */
  answered(
    { runner, life }: { readonly runner: string; readonly life: Life },
    asked: number,
    { orders, ordersVersion: upTo, lease }: Pick<OrdersReply, "orders" | "ordersVersion" | "lease">,
  ): void {
    const heard = this.#heard.get(life) ?? { lease: 0, orders: new Map<string, number>() };
    this.#heard.set(life, heard);
    this.#checkPassedOver();
    // Out of date: it is not heeded.
    if (lease < heard.lease) return;
    heard.lease = lease;
    for (const { id, version } of orders)
      heard.orders.set(id, Math.max(version, heard.orders.get(id) ?? 0));
    for (const [allocation, { runner: its, orders_version: version }] of this.#live) {
      if (its !== runner || version <= asked || version > upTo) continue;
      if ((heard.orders.get(allocation) ?? 0) < version)
        this.#passedOver.push({ life, allocation, version, upTo });
    }
    this.#checkPassedOver();
  }

  #checkPassedOver(): void {
    if (this.#passedOver.length === 0 || !this.#settled()) return;
    for (const { life, allocation, version, upTo } of this.#passedOver) {
      const holds = this.#live.get(allocation)?.orders_version === version;
      // A process that starts asks for everything.
      if (!holds || !life.alive || this.#endTold.has(allocation)) continue;
      if ((this.#heard.get(life)?.orders.get(allocation) ?? 0) < version)
        this.#context.broken(
          "orders that hold reach their runner",
          `${allocation}: an answer that has everything up to ${upTo} lacks its orders ${version}`,
        );
    }
    this.#passedOver = [];
  }

  /** A runner begins an allocation. */
  begun(allocation: string, life: Life): void {
    const under = this.#givenUpUnder.get(allocation);
    if (under !== undefined && (this.#heard.get(life)?.lease ?? 0) >= under)
      this.#context.broken(
        "what was given up is not begun by who has heard so",
        `${allocation}, given up under lease ${under}`,
      );
  }
}
