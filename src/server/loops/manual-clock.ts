/** A clock for tests of loops: time stands still, and timers go off when the test says so. */
import type { Clock } from "../../base/clock.ts";

export class ManualClock implements Clock {
  readonly timers = new Set<() => void>();

  nowMs(): number {
    return 0;
  }

  monotonicMs(): number {
    return 0;
  }

  after(_delayMs: number, callback: () => void): () => void {
    this.timers.add(callback);
    return () => void this.timers.delete(callback);
  }

  /** All timers go off; what they started has run as far as it can without one. */
  async ring(): Promise<void> {
    const due = [...this.timers];
    this.timers.clear();
    for (const callback of due) callback();
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }
}
