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
  /** One request. @returns whether there is more to send at once; null where none was made, and others wait for theirs */
  readonly work: () => Promise<boolean | null>;
}

export class Lane {
  readonly #options: LaneOptions;
  readonly #backoff: Backoff;
  #awake = true;
  #stopping = false;
  #failing = false;
  #wake: (() => void) | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: LaneOptions) {
    this.#options = options;
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
        const done = await work();
        more = done === true;
        if (done === null) continue;
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
    const slow = error instanceof ServerFailure && error.kind === "unauthorized";
    await this.#backoff.wait({ slow });
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
