/**
 * Where the wall clock was set forward under this server and those before it, as the server knows it: noticed at the
 * beginning of a turn, written with it, and taken back with it when it fails. Then the next turn notices the same.
 */
import { type ClockReading, type ClockStep, stepsAfter } from "../core/lifecycle/clock-steps.ts";
import type { WriteBatch } from "../store/write-batch.ts";

export const CLOCK_STEPS_KEY = "clock_steps";

export class LiveClockSteps {
  #steps: readonly ClockStep[] = [];
  /** At the last turn that is durable. */
  #before: ClockReading | undefined;
  #now: ClockReading | undefined;

  get steps(): readonly ClockStep[] {
    return this.#steps;
  }

  /** What is written replaces what is held. */
  load(steps: readonly ClockStep[]): void {
    this.#steps = steps;
  }

  /** Due before anything in the turn looks at the time. */
  note(batch: WriteBatch, now: ClockReading): void {
    this.#now = now;
    if (this.#before === undefined) return;
    const steps = stepsAfter(this.#steps, this.#before, now);
    if (steps === this.#steps) return;
    this.#steps = steps;
    batch.put("settings", { key: CLOCK_STEPS_KEY, value: steps });
  }

  durable(): void {
    this.#before = this.#now;
  }
}
