/** Looks again and again whether a program still makes progress (`progress_deadline`), and says once when it does not. */
import type { Clock } from "../base/clock.ts";
import {
  heard,
  isOverdue,
  look,
  lookEveryMs,
  type Silence,
  startSilence,
} from "../core/progress/silence.ts";

export interface ProgressWatchOptions {
  readonly clock: Clock;
  readonly deadlineMs: number;
  /** Whether its silence counts now. */
  readonly counts: () => boolean;
  readonly overdue: (silentMs: number) => void;
}

export class ProgressWatch {
  readonly #options: ProgressWatchOptions;
  #silence: Silence | null = null;
  #cancel: (() => void) | null = null;

  constructor(options: ProgressWatchOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, deadlineMs } = this.#options;
    this.#silence = startSilence(deadlineMs, clock.monotonicMs());
    this.#lookLater();
  }

  heard(): void {
    if (this.#silence !== null)
      this.#silence = heard(this.#silence, this.#options.clock.monotonicMs());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#silence = null;
  }

  #lookLater(): void {
    const { clock, deadlineMs } = this.#options;
    this.#cancel = clock.after(lookEveryMs(deadlineMs), () => this.#look());
  }

  #look(): void {
    if (this.#silence === null) return;
    const { clock, counts, overdue } = this.#options;
    const nowMs = clock.monotonicMs();
    // Who was excused has the whole deadline from then on.
    this.#silence = counts() ? look(this.#silence, nowMs) : heard(this.#silence, nowMs);
    const { silentMs } = this.#silence;
    if (!isOverdue(this.#silence)) return this.#lookLater();
    this.stop();
    overdue(silentMs);
  }
}
