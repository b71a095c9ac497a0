/**
 * The reasons to wait that the reader of a stream was told. Such a reason changes by what others do (the trial before it
 * in the queue, its pool, the clock, its engine), and of that no commit says that the trial has changed: so those that
 * wait are looked at now and then.
 *
 * In a queue of thousands every reason may change at each start. So each look is at so many only, in turn: a reader costs the
 * same however long the queue is, and is told everything a little later.
 */

import { crc32 } from "node:zlib";

/** Between two looks. */
export const WAITS_EVERY_MS = 1000;
export const WAITS_PER_LOOK = 100;

export class SentWaits {
  /** By trial, the checksum of its reason; undefined = it has none yet. Who was looked at longest ago is first. */
  readonly #reasons = new Map<number, number | undefined>();
  #dueMs: number;

  constructor(nowMs: number) {
    this.#dueMs = nowMs + WAITS_EVERY_MS;
  }

  /** To be told of each trial that is sent. @param mayWait whether a reason may come or change by itself */
  sent(trial: number, mayWait: boolean, reason: string | undefined): void {
    if (mayWait) this.#keep(trial, sumOf(reason));
    else this.#reasons.delete(trial);
  }

  /** When there is something to look at; undefined = nothing waits. */
  get dueMs(): number | undefined {
    return this.#reasons.size === 0 ? undefined : this.#dueMs;
  }

  /** @returns the trials whose reason is another by now, if a look is due */
  changed(nowMs: number, reasonOf: (trial: number) => string | undefined): number[] {
    if (this.#reasons.size === 0 || nowMs < this.#dueMs) return [];
    this.#dueMs = nowMs + WAITS_EVERY_MS;
    const looked = [...this.#reasons.entries().take(WAITS_PER_LOOK)];
    for (const [trial, sum] of looked) this.#keep(trial, sum);
    return looked.filter(([trial, sum]) => sumOf(reasonOf(trial)) !== sum).map(([trial]) => trial);
  }

  /** As the one looked at last. */
  #keep(trial: number, sum: number | undefined): void {
    this.#reasons.delete(trial);
    this.#reasons.set(trial, sum);
  }
}

/** Each reader keeps one of every trial that waits: the words themselves would be a megabyte for 10,000 of them. */
const sumOf = (reason: string | undefined): number | undefined =>
  reason === undefined ? undefined : crc32(reason);
