/**
 * Where the wall clock was set, so that budgets count the time that passed and not what the clock jumped over.
 *
 * A server knows a step by its monotonic clock, which goes on evenly. All times that are stored are of the wall clock, so
 * the steps are kept, and whoever asks how long something has lasted leaves out those that it lived through: it began at
 * a reading from before. Where a reading may be from before or after, the step is not left out; that can be so only for what
 * began in the stretch that a clock set back goes through twice. Alternative refused: to let the server's time go on
 * by the monotonic clock; then all that it writes down would be wrong until its next start, which would use budgets up.
 */

export interface ClockStep {
  /** The last reading before it that is written, milliseconds since 1970. */
  readonly lastMs: number;
  /** The first one after it. */
  readonly firstMs: number;
  /** Forward, or back below 0. */
  readonly byMs: number;
}

/** Both clocks, read together. */
export interface ClockReading {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/** Below that the clocks may differ as they like: slewing, or a process that stood still between two readings. */
const STEP_MS_MIN = 60_000;
const STEPS_MAX = 100;

/**
 * @param before the last reading that is known to be durable
 * @returns the steps that are known after another reading; the same list where there is nothing new
 */
export function stepsAfter(
  steps: readonly ClockStep[],
  before: ClockReading,
  now: ClockReading,
): readonly ClockStep[] {
  // One from the same reading on was written when nobody could tell whether it would be: this is it, seen again.
  const known = steps.filter(({ lastMs }) => lastMs !== before.wallMs);
  const passed = now.monotonicMs - before.monotonicMs;
  const byMs = Math.round(now.wallMs - before.wallMs - passed);
  if (Math.abs(byMs) < STEP_MS_MIN) return known.length === steps.length ? steps : known;
  const step = { lastMs: before.wallMs, firstMs: now.wallMs, byMs };
  return [...known, step].slice(-STEPS_MAX);
}

/** How long it has been since then by a clock that nobody set. Nothing where the clock stands before it. */
export function passedMs(steps: readonly ClockStep[], sinceMs: number, nowMs: number): number {
  let total = nowMs - sinceMs;
  for (const { lastMs, firstMs, byMs } of steps)
    if (sinceMs <= lastMs && sinceMs < firstMs) total -= byMs;
  return Math.max(0, total);
}
