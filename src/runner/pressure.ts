/**
 * Bounds what an allocation may leave on this disk while the server is away: beyond the bound its
 * sources are not read until the server has taken some of it, so a program that prints without end
 * waits in its own `write` and nothing is lost. The same when the disk takes nothing more.
 */
import type { Clock } from "../base/clock.ts";
import type { SpoolStream } from "./spool.ts";

export interface PressureOptions {
  readonly spool: SpoolStream;
  readonly clock: Clock;
  readonly maxBytes: number;
  pause(): void;
  resume(): void;
  /** Said once when the disk takes nothing, and not again until it did. */
  stalled(error: Error): void;
}

/** Goes on when a quarter is free again, so that it does not flutter. */
const RESUME_SHARE = 0.75;
const RETRY_MS = 500;

export class Pressure {
  readonly #options: PressureOptions;
  #paused = false;
  #lifted = false;
  #retrying = false;

  constructor(options: PressureOptions) {
    this.#options = options;
  }

  /** Call after each append and each acknowledgement. */
  check(): void {
    const { spool, maxBytes } = this.#options;
    if (spool.stalled !== null) this.#retryLater(spool.stalled);
    const over = spool.stalled !== null || spool.pendingBytes > maxBytes;
    const under = spool.stalled === null && spool.pendingBytes < maxBytes * RESUME_SHARE;
    if (over && !this.#paused && !this.#lifted) {
      this.#paused = true;
      this.#options.pause();
    } else if (under && this.#paused) {
      this.#paused = false;
      this.#options.resume();
    }
  }

  /** The processes are gone: the rest is small and is taken whatever the bound says. */
  lift(): void {
    this.#lifted = true;
    this.#paused = false;
    this.#options.resume();
  }

  #retryLater(error: Error): void {
    if (this.#retrying) return;
    this.#retrying = true;
    this.#options.stalled(error);
    this.#retry();
  }

  #retry(): void {
    this.#options.clock.after(RETRY_MS, () => {
      if (!this.#options.spool.retry()) return this.#retry();
      this.#retrying = false;
      this.check();
    });
  }
}
