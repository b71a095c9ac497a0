/**
 * What a runner says of an allocation of which it has nothing on disk: one that is not to begin any more, while there is no
 * room to note that it did, and one that had ended here and was delivered. As a rule an order for the latter is late or
 * repeated, and the server has the end on record. But a server whose database was restored from a backup may have it
 * live again, or grant it anew under the same id: without an answer it would wait for ever, because the runner is heard
 * and no lease runs out.
 *
 * So the server is asked first, as for an allocation that a disk has lost: its end is told only where the server
 * says that it has none. Nothing is started and nothing written: a successor is sent the order again.
 */
import type { Clock } from "../base/clock.ts";
import type { AllocationOrders } from "../protocol/runner-wire.ts";
import { isCancelled, newAllocation, stepAllocation } from "./allocation.ts";
import { type AllocationExit, lostExit } from "./allocation-exit.ts";
import type { UplinkSource } from "./uplink-stream.ts";

export interface EndedAnswerOptions {
  readonly id: string;
  readonly fence: number;
  /** Null: it had ended here before. */
  readonly exit: AllocationExit | null;
  readonly clock: Clock;
  /** The end is to be told. */
  readonly eventsReady: () => void;
  /** The server has the end; called once. */
  readonly settled: () => void;
}

const DETAIL =
  "it ended here before, and the server had that on record once; was its database restored from a backup?";
const NOTHING = { lastSeq: 0, ackedSeq: 0, peek: () => ({ first: 1, payloads: [] }) };

/** @returns how what these orders launch ends without having begun; null where it is to begin */
export function unbegunExit(orders: AllocationOrders): AllocationExit | null {
  const { launch } = orders;
  if (launch === null) return null;
  const { killGraceMs, yieldGraceMs } = launch;
  const state = newAllocation({ orders, killGraceMs, yieldGraceMs });
  if (!isCancelled(state)) return null;
  const [action] = stepAllocation(state, { type: "prepared" }).actions;
  return action?.type === "exited" ? action.exit : null;
}

export class EndedAnswer implements UplinkSource {
  readonly id: string;
  readonly fence: number;
  readonly logs = NOTHING;
  readonly #options: EndedAnswerOptions;
  readonly #atMs: number;
  /** Up to here the server has heard it; null = not known yet. */
  #acked: number | null = null;
  #settled = false;

  constructor(options: EndedAnswerOptions) {
    this.#options = options;
    this.id = options.id;
    this.fence = options.fence;
    this.#atMs = options.clock.nowMs();
  }

  get counted(): boolean {
    return this.#acked !== null;
  }

  /** The end alone, under the number that the server waits for. */
  get events(): UplinkSource["events"] {
    if (this.#acked === null) return NOTHING;
    const ackedSeq = this.#acked;
    const seq = ackedSeq + 1;
    const exit = this.#options.exit ?? lostExit(DETAIL);
    const event = { type: "exited", seq, atMs: this.#atMs, ...exit, logLines: 0 };
    const payloads = [Buffer.from(JSON.stringify(event))];
    return { lastSeq: seq, ackedSeq, peek: () => ({ first: seq, payloads }) };
  }

  eventsAcked(seq: number): void {
    if (this.#acked !== null && seq > this.#acked) return this.#settle();
    this.#acked = seq;
    this.#options.eventsReady();
  }

  logsAcked(): void {}

  disowned(): void {
    this.#settle();
  }

  substitute(): undefined {}

  #settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#options.settled();
  }
}
