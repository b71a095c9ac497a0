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

/** An error in its own words, or a text that was made of one. */
const textOf = (what: unknown): string =>
  typeof what === "string"
    ? what
    : `${(what as NodeJS.ErrnoException).code}: ${(what as Error).message}`;

/** Says it that a disk, this process or this machine has no room now? That ends by itself. */
export const isNoRoom = (what: unknown): boolean =>
  /\b(?:ENOSPC|EDQUOT|EMFILE|ENFILE|EAGAIN|ENOMEM): /.test(textOf(what));

/** Says it that a file server is away, or was restarted under an open file? */
const isFarAway = (what: unknown): boolean =>
  /\b(?:ESTALE|ETIMEDOUT|EHOSTDOWN|EHOSTUNREACH|ENOTCONN|EINTR): /.test(textOf(what));

/** Says it that bytes could not be read or written: of a disk that fails, and of a file server that does not answer. */
export const isSpoiled = (what: unknown): boolean => /\bEIO: /.test(textOf(what));

/** Says it, of files, that they cannot be had just now? `isSpoiled` among it only for so many tries. */
export const mayPass = (what: unknown): boolean =>
  isNoRoom(what) || isFarAway(what) || isSpoiled(what);

/** Half a minute: that of a file server that answers so where it is away. A disk that does is at its end. */
export const SPOILED_TRIES = 10;

/** Does again what there is no room for, until there is. @throws what is no want of room, or the signal's reason */
export async function whenRoom<T>(
  work: () => Promise<T>,
  {
    clock,
    signal,
    tell,
    waits = "the start",
  }: {
    readonly clock: Clock;
    readonly signal: AbortSignal;
    /** A line for who waits meanwhile. */
    readonly tell: (text: string) => void;
    readonly waits?: string;
  },
): Promise<T> {
  const backoff = new Backoff(clock);
  signal.addEventListener("abort", () => backoff.cut(), { once: true });
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      signal.throwIfAborted();
      if (tries === 1) tell(`${waits} waits until there is room: ${(error as Error).message}`);
    }
    await backoff.wait();
    signal.throwIfAborted();
  }
}

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
