/**
 * A runner that runs nothing: it speaks the real wire to the real server, with one long poll and one request
 * for events at a time as the real one does, and lets the benchmark decide what its "programs" report.
 * What it leaves out is what a server that never goes away makes needless: the spool and the retries.
 */
import type {
  AllocationOrders,
  OrdersReply,
  RunnerEvent,
  SyncReply,
} from "../src/protocol/runner-wire.ts";
import type { Wire } from "./wire.ts";

/** Without what the allocation knows itself. */
export type StubEvent = RunnerEvent extends infer E
  ? E extends RunnerEvent
    ? Omit<E, "seq" | "atMs">
    : never
  : never;

export class StubAllocation {
  readonly id: string;
  readonly fence: number;
  readonly trial: string;
  orders: AllocationOrders;
  /** Called with each later order. */
  heard: ((orders: AllocationOrders) => void) | undefined;
  #seq = 0;
  readonly #send: (allocation: StubAllocation, event: RunnerEvent) => void;

  constructor(
    orders: AllocationOrders,
    send: (allocation: StubAllocation, event: RunnerEvent) => void,
  ) {
    this.id = orders.id;
    this.fence = orders.fence;
    this.trial = orders.launch?.trial ?? "";
    this.orders = orders;
    this.#send = send;
  }

  /** Numbers an event without sending it. */
  event(event: StubEvent): RunnerEvent {
    return { ...event, seq: ++this.#seq, atMs: Date.now() } as RunnerEvent;
  }

  send(event: StubEvent): void {
    this.#send(this, this.event(event));
  }

  started(): void {
    this.send({ type: "started", pid: process.pid });
  }

  report(step: number, metrics: Record<string, number>): void {
    this.send({ type: "report", step, metrics });
  }

  /** The program ended by itself and well. */
  exited(): void {
    this.send({
      type: "exited",
      processes: [{ rank: 0, code: 0, signal: null }],
      kind: "processes",
      outOfMemory: null,
      signalsSent: [],
      yielded: this.orders.yield !== null,
      logLines: 0,
      detail: "",
    });
  }
}

export interface StubRunnerOptions {
  /** Where several stubs share the one runner's name: which allocations are this one's. Default: all. */
  readonly owns?: (orders: AllocationOrders) => boolean;
  /** Handed each order that it does not own; its fellows are then told not to ask by themselves. */
  readonly passOn?: (orders: AllocationOrders) => void;
  /** False: it never asks for orders and is given them. Default: true. */
  readonly asks?: boolean;
  /** Told of each event that is durable, and how long that took from its sending. */
  readonly acked?: (event: RunnerEvent, tookMs: number) => void;
}

interface Queued {
  readonly allocation: StubAllocation;
  readonly event: RunnerEvent;
  readonly sentMs: number;
}

const RUNNER = "/api/v1/runners/local";
const EVENTS_MAX = 5_000;
/** Beyond every version: an answer to this brings none. */
const NO_ORDERS_AFTER = 1e9;

export class StubRunner {
  readonly allocations = new Map<string, StubAllocation>();
  readonly #wire: Wire;
  readonly #launched: (allocation: StubAllocation) => void;
  readonly #options: StubRunnerOptions;
  #queue: Queued[] = [];
  #sending = false;
  #heardVersion = 0;
  #stopped = false;
  #failure: Error | undefined;

  /** @param launched called once for each allocation that the server grants */
  constructor(
    wire: Wire,
    launched: (allocation: StubAllocation) => void,
    options: StubRunnerOptions = {},
  ) {
    this.#wire = wire;
    this.#launched = launched;
    this.#options = options;
    if (options.asks !== false) void this.#poll().catch((error: Error) => this.#fail(error));
    else this.#heardVersion = NO_ORDERS_AFTER;
  }

  /** For whoever waits for something that this runner does. @throws Error when it has failed */
  isOver(done: boolean): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    return done;
  }

  /** Everything that was sent has been acknowledged. */
  get isDelivered(): boolean {
    return !this.#sending;
  }

  /** An order that a fellow has heard. */
  give(orders: AllocationOrders): void {
    this.#take([orders], 0);
  }

  stop(): void {
    this.#stopped = true;
  }

  #fail(error: Error): void {
    if (this.#stopped) return;
    this.#failure ??= error;
    this.#stopped = true;
  }

  async #poll(): Promise<void> {
    while (!this.#stopped) {
      const path = `${RUNNER}/orders?after=${this.#heardVersion}&wait_ms=5000`;
      const { body } = await this.#wire.get(path);
      const reply = JSON.parse(body.toString("utf8")) as OrdersReply;
      this.#take(reply.orders, reply.ordersVersion);
    }
  }

  #take(orders: readonly AllocationOrders[], version: number): void {
    this.#heardVersion = Math.max(this.#heardVersion, version);
    const { owns = () => true, passOn } = this.#options;
    for (const order of orders) {
      if (!owns(order)) {
        passOn?.(order);
        continue;
      }
      const known = this.allocations.get(order.id);
      if (known === undefined) {
        if (order.launch === null) continue;
        const allocation = new StubAllocation(order, (from, event) => this.#push(from, event));
        this.allocations.set(order.id, allocation);
        this.#launched(allocation);
      } else if (order.version > known.orders.version) {
        known.orders = order;
        known.heard?.(order);
      }
    }
  }

  #push(allocation: StubAllocation, event: RunnerEvent): void {
    this.#queue.push({ allocation, event, sentMs: performance.now() });
    if (this.#sending) return;
    this.#sending = true;
    void this.#drain().catch((error: Error) => this.#fail(error));
  }

  async #drain(): Promise<void> {
    // What is pushed in this very turn of the event loop travels together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, EVENTS_MAX);
      const byAllocation = Map.groupBy(batch, ({ allocation }) => allocation);
      const allocations = [...byAllocation].map(([{ id, fence }, sent]) => ({
        id,
        fence,
        events: sent.map(({ event }) => event),
      }));
      const body = { boot: "stub", ordersAfter: this.#heardVersion, allocations };
      const answer = await this.#wire.post(`${RUNNER}/sync`, JSON.stringify(body));
      const reply = JSON.parse(answer.body.toString("utf8")) as SyncReply;
      for (const [allocation, sent] of byAllocation) this.#check(allocation, sent, reply);
      const { acked } = this.#options;
      const nowMs = performance.now();
      if (acked !== undefined) for (const { event, sentMs } of batch) acked(event, nowMs - sentMs);
      this.#take(reply.orders, reply.ordersVersion);
    }
    this.#sending = false;
  }

  #check(
    allocation: StubAllocation,
    sent: readonly { readonly event: RunnerEvent }[],
    reply: SyncReply,
  ): void {
    const last = sent.at(-1)?.event;
    const acked = reply.acked[allocation.id] ?? 0;
    if (last !== undefined && acked < last.seq)
      throw new Error(`${allocation.id}: ${last.seq} was sent and only ${acked} acknowledged`);
    if (last?.type === "exited") this.allocations.delete(allocation.id);
  }
}
