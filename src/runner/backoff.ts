/**
 * Waiting between attempts: 0.1 s, doubling to 5 s, and from the start again after a success. No
 * random part: one runner a node talks to the server, so there is no herd to spread.
 */
import type { Clock } from "../base/clock.ts";

const FIRST_MS = 100;
export const BACKOFF_MAX_MS = 5_000;

export class Backoff {
  readonly #clock: Clock;
  #nextMs = FIRST_MS;
  #wake: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  reset(): void {
    this.#nextMs = FIRST_MS;
  }

  /** Waits; `slow` goes to the longest wait at once. */
  async wait(options: { slow?: boolean } = {}): Promise<void> {
    if (options.slow) this.#nextMs = BACKOFF_MAX_MS;
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(delayMs * 2, BACKOFF_MAX_MS);
    await this.rest(delayMs);
  }

  /** Waits for a time of the caller's own; `cut` ends it too. */
  async rest(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(delayMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = null;
  }

  /** Ends a wait that is going on. */
  cut(): void {
    this.#wake?.();
  }
}

/** Says an error, or a text that was made of one, that a disk or this process has no room now? That ends by itself. */
export const isNoRoom = (what: unknown): boolean =>
  /\b(?:ENOSPC|EDQUOT|EMFILE|ENFILE): /.test(
    typeof what === "string"
      ? what
      : `${(what as NodeJS.ErrnoException).code}: ${(what as Error).message}`,
  );

/** Waits for `work`, however it ends, but no longer than `ms`. */
export async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    const cancel = clock.after(ms, resolve);
    const end = () => {
      cancel();
      resolve();
    };
    work.then(end, end);
  });
}
