/**
 * One of the uplink's loops: one request at a time, at once when there is news, after a wait when the
 * last one failed, and never given up. What went wrong is said once, and once more when it is over.
 */
import type { Clock } from "../base/clock.ts";
import { Backoff } from "./backoff.ts";
import { ServerFailure } from "./server-client.ts";

export interface LaneOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly say: (text: string) => void;
  /** Longest silence; null = none. */
  readonly heartbeatMs: number | null;
  /** Waits this long after the first news, for more of it. */
  readonly gatherMs: number;
  /** One request. @returns whether there is more to send at once */
  readonly work: (limits: BatchLimits) => Promise<boolean>;
}

const QUARANTINE_MS = 30_000;

export class Lane {
  readonly #options: LaneOptions;
  readonly #limits: BatchLimits;
  readonly #backoff: Backoff;
  #awake = true;
  #stopping = false;
  #failing = false;
  #wake: (() => void) | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#limits = new BatchLimits(options.clock);
    this.#backoff = new Backoff(options.clock);
  }

  start(): void {
    this.#running = this.#run();
  }

  wake(): void {
    this.#awake = true;
    this.#wake?.();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.wake();
    this.#backoff.cut();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { heartbeatMs, gatherMs, work, name, say } = this.#options;
    let more = false;
    while (!this.#stopping) {
      if (!more) {
        const news = this.#awake || (await this.#rest(heartbeatMs));
        if (this.#stopping) return;
        if (news && gatherMs > 0) await this.#rest(gatherMs, { through: true });
      }
      this.#awake = false;
      try {
        more = await work(this.#limits);
        this.#backoff.reset();
        if (this.#failing) say(`${name}: the server answers again`);
        this.#failing = false;
      } catch (error) {
        more = true;
        if (this.#stopping) return;
        await this.#failed(error as Error);
      }
    }
  }

  async #failed(error: Error): Promise<void> {
    if (!this.#failing)
      this.#options.say(
        `${this.#options.name}: not delivered, will go on trying: ${error.message}`,
      );
    this.#failing = true;
    const kind = error instanceof ServerFailure ? error.kind : null;
    // A batch that was refused is smaller the next time; waiting would not make it more welcome.
    if (kind === "refused" || kind === "too_large") this.#backoff.reset();
    await this.#backoff.wait({ slow: kind === "unauthorized" });
  }

  /** Sleeps until woken or for `ms`. @returns whether it was woken */
  #rest(ms: number | null, { through = false } = {}): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (woken: boolean) => {
        cancel?.();
        this.#wake = null;
        resolve(woken);
      };
      const cancel = ms === null ? undefined : this.#options.clock.after(ms, () => end(false));
      this.#wake = () => {
        if (!through || this.#stopping) end(true);
      };
    });
  }
}

/** How much one request may carry; smaller while the server refuses something in it. */
export class BatchLimits {
  allocations = Number.POSITIVE_INFINITY;
  records = Number.POSITIVE_INFINITY;
  /** Which source comes first; moves on, so that none waits for ever behind the others. */
  turn = 0;
  readonly #clock: Clock;
  /** Allocations whose next record was refused, and until when they are left alone. */
  readonly #quarantined = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  shrink(allocations: number, records: number): void {
    if (allocations > 1) this.allocations = Math.ceil(allocations / 2);
    else this.records = Math.max(1, Math.floor(records / 2));
  }

  grow(): void {
    this.allocations *= 2;
    this.records *= 2;
  }

  reset(): void {
    this.allocations = Number.POSITIVE_INFINITY;
    this.records = Number.POSITIVE_INFINITY;
  }

  quarantine(id: string): void {
    this.#quarantined.set(id, this.#clock.monotonicMs() + QUARANTINE_MS);
  }

  release(id: string): void {
    this.#quarantined.delete(id);
  }

  skips(id: string): boolean {
    const untilMs = this.#quarantined.get(id);
    if (untilMs === undefined) return false;
    if (this.#clock.monotonicMs() < untilMs) return true;
    this.#quarantined.delete(id);
    return false;
  }
}
