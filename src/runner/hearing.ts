/**
 * Whether what a program says is read now: not before it is told that it runs, however quick it is, and not while there
 * is no room for what it says. Neither reason may lift the other. That it greets is heard and answered at any time.
 */
import type { TrialSocket } from "./trial-socket.ts";

type Source = Pick<TrialSocket, "pause" | "resume">;

export class Hearing {
  #source: Source | null = null;
  #begun = false;
  #pressed = false;

  get isDeaf(): boolean {
    return !this.#begun || this.#pressed;
  }

  attach(source: Source): void {
    this.#source = source;
    this.#apply();
  }

  /** It is told that the program runs. */
  begin(): void {
    this.#begun = true;
    this.#apply();
  }

  /** There is no room. */
  pause(): void {
    this.#pressed = true;
    this.#apply();
  }

  /** There is room again. */
  resume(): void {
    this.#pressed = false;
    this.#apply();
  }

  #apply(): void {
    if (this.isDeaf) this.#source?.pause();
    else this.#source?.resume();
  }
}
