/**
 * The one clock that is real. Imported where a process begins (main.ts files, the host of the command line, test
 * benches) and nowhere else; all other code is handed a `Clock`.
 */
import type { Clock } from "./clock.ts";

export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
