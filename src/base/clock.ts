/**
 * Time as an argument. Real clocks are made in `main.ts` files only; everything else is handed one,
 * so that a simulator can run the same code on a virtual clock.
 */
export interface Clock {
  /** Wall time, milliseconds since 1970. May step; never use it for durations or timeouts. */
  nowMs(): number;
  /** Monotonic time in milliseconds from an arbitrary origin. Never runs backwards. */
  monotonicMs(): number;
  /** Runs `callback` once after `delayMs` of monotonic time. @returns a function that cancels it */
  after(delayMs: number, callback: () => void): () => void;
}

/** Waits `delayMs` of the clock's monotonic time. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}

/**
 * What a long computation may take of a thread before it lets others in: between two of its steps it asks whether its share
 * is over, and then waits for `othersFirst`.
 */
export class Share {
  readonly #clock: Clock;
  readonly #lengthMs: number;
  #sinceMs: number;

  constructor(clock: Clock, lengthMs: number) {
    this.#clock = clock;
    this.#lengthMs = lengthMs;
    this.#sinceMs = clock.monotonicMs();
  }

  get isOver(): boolean {
    return this.#clock.monotonicMs() - this.#sinceMs >= this.#lengthMs;
  }

  /** Everybody who waits by now has had a turn when this ends, and the next share begins. */
  async othersFirst(): Promise<void> {
    await sleep(this.#clock, 0);
    this.#sinceMs = this.#clock.monotonicMs();
  }
}

const YEAR_10000_MS = 253_402_300_800_000;

/** A time that somebody else told, unless no calendar has it: then ours. */
export const calendarTime = (toldMs: number, oursMs: number): Date =>
  new Date(toldMs >= 0 && toldMs < YEAR_10000_MS ? toldMs : oursMs);
