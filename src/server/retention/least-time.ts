/**
 * What the time is at the least, by both clocks: the wall clock, and what it showed at the start with the monotonic time
 * since then. What can never be taken back (an experiment purged) waits until both say that it is due, so a wall clock
 * that steps forward takes nobody's way back. A machine that slept, or a clock set right, makes it late instead: until
 * as much has passed, or the server starts again.
 */
import type { Clock } from "../../base/clock.ts";

export class LeastTime {
  readonly #clock: Pick<Clock, "nowMs" | "monotonicMs">;
  readonly #originMs: number;

  constructor(clock: Pick<Clock, "nowMs" | "monotonicMs">) {
    this.#clock = clock;
    this.#originMs = clock.nowMs() - clock.monotonicMs();
  }

  /** Milliseconds since 1970. */
  get nowMs(): number {
    return Math.min(this.#clock.nowMs(), this.#originMs + this.#clock.monotonicMs());
  }
}
