/**
 * Asks a task from time to time whether anybody uses it, and tells when that changes or has lasted too long. A program
 * that does not answer is as idle as it was when it last did, and one that was in use then has been idle since: one that
 * hangs gives its slots back, too.
 */
import type { Clock } from "../../base/clock.ts";
import type { IdleSource } from "./idle-source.ts";

export interface IdleWatchOptions {
  readonly clock: Clock;
  readonly source: IdleSource;
  /** null = it may be idle for ever; it is told all the same. */
  readonly timeoutMs: number | null;
  readonly tell: (usage: {
    readonly idleSinceMs: number | null;
    readonly expired: boolean;
  }) => void;
}

const ASKED_EVERY_MS = 15_000;
/** Shorter pauses of a person are nobody's business. */
const TOLD_AFTER_MS = 60_000;
/** A program says for how long, and by our clock that is since a slightly other time at each look. */
const SAME_WITHIN_MS = 2_000;

export class IdleWatch {
  readonly #options: IdleWatchOptions;
  readonly #everyMs: number;
  readonly #toldAfterMs: number;
  #idleSinceMs: number | null;
  /** When it last said that it is in use; its start where it never has. */
  #usedAtMs: number;
  #told: number | null = null;
  #expired = false;
  #cancel: (() => void) | null = null;
  #stopped = false;

  constructor(options: IdleWatchOptions) {
    this.#options = options;
    const timeoutMs = options.timeoutMs ?? Number.POSITIVE_INFINITY;
    this.#everyMs = Math.min(ASKED_EVERY_MS, timeoutMs / 4);
    this.#toldAfterMs = Math.min(TOLD_AFTER_MS, timeoutMs / 2);
    this.#idleSinceMs = this.#usedAtMs = options.clock.nowMs();
    this.#wait();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #wait(): void {
    if (!this.#stopped)
      this.#cancel = this.#options.clock.after(this.#everyMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { source, clock, timeoutMs, tell } = this.#options;
    try {
      this.#idleSinceMs = await source.idleSince();
      if (this.#idleSinceMs === null) this.#usedAtMs = clock.nowMs();
    } catch {
      this.#idleSinceMs ??= this.#usedAtMs;
    }
    if (this.#stopped) return;
    const since = this.#idleSinceMs;
    const idleMs = since === null ? 0 : clock.nowMs() - since;
    const expired = timeoutMs !== null && idleMs >= timeoutMs;
    const shown = idleMs >= this.#toldAfterMs ? since : null;
    if (!isSame(shown, this.#told) || expired !== this.#expired) {
      tell({ idleSinceMs: shown, expired });
      this.#told = shown;
      this.#expired = expired;
    }
    this.#wait();
  }
}

const isSame = (since: number | null, told: number | null): boolean =>
  since === null || told === null ? since === told : Math.abs(since - told) <= SAME_WITHIN_MS;
