/**
 * The one clock that is real. Imported where a process begins (main.ts files, the host of the command line, test
 * benches) and nowhere else; all other code is handed a `Clock`.
 */
import type { Clock } from "./clock.ts";

/** Timers count in 31 bits; a longer one (for a blob of 200 GB at the slowest) would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, LONGEST_MS));
    return () => clearTimeout(timer);
  },
};
