/**
 * One look at the queue for everybody who asks. Whoever asks gets a look that began after the question, for an older one
 * may lack a job that was launched since, and lacking is taken as proof. So questions that come while one look is under way share
 * the next; and looks that nobody is in a hurry for begin no sooner than some time after the last. One who is in a hurry does
 * not wait with the others: the look that they share begins at once.
 */
import type { Clock } from "../../base/clock.ts";

export class Looks<T> {
  readonly #look: () => Promise<T>;
  readonly #clock: Clock;
  #current: Promise<unknown> | undefined;
  #next: Promise<T> | undefined;
  #beganMs = Number.NEGATIVE_INFINITY;
  /** The least time that anybody gave the next look. */
  #everyMs = 0;
  #hurry = (): void => {};

  constructor(look: () => Promise<T>, clock: Clock) {
    this.#look = look;
    this.#clock = clock;
  }

  /** @param everyMs the least time between the beginnings of two looks */
  fresh(everyMs: number): Promise<T> {
    if (this.#next === undefined) {
      this.#everyMs = everyMs;
      this.#next = this.#begin();
    } else if (everyMs < this.#everyMs) {
      this.#everyMs = everyMs;
      this.#hurry();
    }
    return this.#next;
  }

  async #begin(): Promise<T> {
    await this.#current?.catch(() => {});
    for (;;) {
      const waitMs = this.#beganMs + this.#everyMs - this.#clock.monotonicMs();
      if (waitMs <= 0) break;
      await this.#wait(waitMs);
    }
    this.#next = undefined;
    this.#beganMs = this.#clock.monotonicMs();
    const look = this.#look();
    this.#current = look;
    return await look;
  }

  /** Until then, or until somebody is in a hurry. */
  #wait(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(waitMs, resolve);
      this.#hurry = () => {
        cancel();
        resolve();
      };
    });
  }
}
