import type { Orders, ToTrial } from "../protocol/trial-socket.ts";
import type { TrialSocketEvents } from "../runner/trial-socket.ts";
import type { SimContext } from "./sim-context.ts";
import type { Life } from "./timeline.ts";

const MESSAGE_MS = 1;
const LOOK_MS = 50;
const PAUSED_LOOK_MS = 2;

/** One allocation's socket. Messages arrive in order, one after the other, while it is not paused. */
export class SimSocket {
  readonly events: TrialSocketEvents;
  readonly #context: SimContext;
  readonly #life: Life;
  readonly #waiting: (() => void)[] = [];
  #greeted = 0;
  #paused = false;
  #closed = false;
  #draining: (() => void)[] = [];
  /** The program at the other end. */
  onOrders: (orders: Orders) => void = () => undefined;

  constructor(context: SimContext, life: Life, events: TrialSocketEvents) {
    this.#context = context;
    this.#life = life;
    this.events = events;
  }

  async listen(): Promise<void> {}

  get open(): boolean {
    return this.#life.alive && !this.#closed;
  }

  /** Once the runner can answer. @returns whether there is anybody who does */
  async answered(): Promise<boolean> {
    const { timeline } = this.#context;
    const stalledMs = () => this.#life.stalledUntilMs - timeline.nowMs;
    // Who waits for the dead hears so: its kernel closes the connection.
    while (this.open && (this.#paused || stalledMs() > 0))
      await timeline.delay(this.#paused ? PAUSED_LOOK_MS : Math.min(LOOK_MS, stalledMs()));
    return this.open;
  }

  /** A connection of the program's. @returns what is told to it, and its number, by which it speaks from then on */
  greet(rank: number): { readonly welcome: ToTrial; readonly connection: number } {
    this.#greeted += 1;
    const welcome = this.events.welcome(rank);
    this.events.hello(rank, this.#greeted);
    return { welcome, connection: this.#greeted };
  }

  /** From the program. */
  deliver(message: () => void): void {
    if (!this.open) return;
    this.#waiting.push(message);
    this.#soon(MESSAGE_MS);
  }

  push(orders: Orders): void {
    const heard = { ...orders };
    this.#context.timeline.after(MESSAGE_MS, () => {
      if (this.open) this.onOrders(heard);
    });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#soon(0);
  }

  drained(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#draining.push(resolve);
    });
  }

  close(): void {
    this.#closed = true;
  }

  #soon(afterMs: number): void {
    const { timeline } = this.#context;
    timeline.at(timeline.nowMs + afterMs, () => this.#pump(), this.#life);
  }

  #pump(): void {
    while (this.open && !this.#paused) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      next();
    }
    if (this.#waiting.length > 0) return;
    for (const drained of this.#draining.splice(0)) drained();
  }
}
