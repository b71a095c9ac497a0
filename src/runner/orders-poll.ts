/**
 * The long poll for orders. The first answer names every allocation that this runner should have;
 * from then on only news come. A server whose count of versions is behind ours has lost its past
 * (restored from a backup, a new database): then everything is asked for again.
 */
import type { Clock } from "../base/clock.ts";
import { type OrdersReply, ordersReply } from "../protocol/runner-wire.ts";
import { Backoff } from "./backoff.ts";
import { answerOf, type ServerClient, ServerFailure } from "./server-client.ts";

export interface OrdersPollOptions {
  readonly client: Pick<ServerClient, "json" | "runnerId">;
  readonly clock: Clock;
  readonly boot: string;
  /** Highest version heard by whatever way; asked at each poll. */
  readonly after: () => number;
  /** The highest lease that was heard of. */
  readonly lease: () => number;
  /** @param askedUnder the lease that was heard of when the poll was sent @returns false where it is out of date */
  readonly heard: (reply: OrdersReply, askedUnder: number) => boolean;
  /** The server's versions begin anew. */
  readonly regressed: () => void;
  readonly say: (text: string) => void;
}

const WAIT_MS = 25_000;
/** On top of the wait; a connection that hangs for longer is dead. */
const SLACK_MS = 10_000;
/** Between two polls that brought nothing: a server whose version is still 0 answers each at once. */
const APART_MS = 200;

export class OrdersPoll {
  readonly #options: OrdersPollOptions;
  readonly #backoff: Backoff;
  readonly #abort = new AbortController();
  #complete = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: OrdersPollOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.clock);
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error("the runner ends"));
    this.#backoff.cut();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    let failing = false;
    while (!signal.aborted) {
      try {
        await this.#poll();
        this.#backoff.reset();
        if (failing) this.#options.say("orders: the server answers again");
        failing = false;
      } catch (error) {
        if (signal.aborted) return;
        if (!failing)
          this.#options.say(`orders: not heard, will go on asking: ${(error as Error).message}`);
        failing = true;
        const unauthorized = error instanceof ServerFailure && error.kind === "unauthorized";
        await this.#backoff.wait({ slow: unauthorized });
      }
    }
  }

  async #poll(): Promise<void> {
    const { client, clock, heard, regressed, boot } = this.#options;
    const askedUnder = this.#options.lease();
    const after = this.#complete ? this.#options.after() : 0;
    const path = `/api/v1/runners/${encodeURIComponent(client.runnerId)}/orders?after=${after}&wait_ms=${WAIT_MS}&boot=${encodeURIComponent(boot)}`;
    const timeoutMs = WAIT_MS + SLACK_MS;
    const askedAtMs = clock.monotonicMs();
    const { signal } = this.#abort;
    const answer = await client.json({ method: "GET", path, timeoutMs, signal });
    const reply = answerOf(ordersReply, answer, "orders");
    if (reply.ordersVersion < after) {
      this.#complete = false;
      regressed();
      return;
    }
    if (heard(reply, askedUnder)) this.#complete = true;
    const early = APART_MS - (clock.monotonicMs() - askedAtMs);
    if (reply.orders.length === 0 && early > 0) await this.#backoff.rest(early);
  }
}
