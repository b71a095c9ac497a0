/**
 * Whether a running program still makes progress, for `progress_deadline`: it is silent while it neither reports nor
 * saves, and overdue once it was silent for longer than the deadline.
 *
 * The runner judges, who hears every word at once. To the server a silence is as well a network that is cut, and
 * that is no evidence about a program. Time counts in portions, of which none is larger than two looks: a machine that
 * slept, or a runner that was stopped, comes back to words that it has not read yet, and what nobody watched
 * counts for nothing. Alternative refused: one timer for the whole deadline, which goes off before they are read.
 */
export interface Silence {
  readonly deadlineMs: number;
  /** Watched time since the last word; at most the deadline counts. */
  readonly silentMs: number;
  /** Monotonic time of the last look or word. */
  readonly seenMs: number;
}

const LOOKS_PER_DEADLINE = 10;
const LOOK_EVERY_MS_MAX = 1_000;

/** How often to look, so that an overdue program is found within a tenth of its deadline, and within a second. */
export const lookEveryMs = (deadlineMs: number): number =>
  Math.max(1, Math.min(LOOK_EVERY_MS_MAX, deadlineMs / LOOKS_PER_DEADLINE));

/** @param nowMs monotonic time, as in all of these */
export const startSilence = (deadlineMs: number, nowMs: number): Silence => ({
  ...{ deadlineMs, silentMs: 0, seenMs: nowMs },
});

/** It has said something, or it cannot speak now and is excused. */
export const heard = (silence: Silence, nowMs: number): Silence => ({
  ...silence,
  silentMs: 0,
  seenMs: nowMs,
});

export function look(silence: Silence, nowMs: number): Silence {
  const passedMs = Math.max(0, nowMs - silence.seenMs);
  const countedMs = Math.min(passedMs, 2 * lookEveryMs(silence.deadlineMs));
  return { ...silence, silentMs: silence.silentMs + countedMs, seenMs: nowMs };
}

export const isOverdue = ({ silentMs, deadlineMs }: Silence): boolean => silentMs > deadlineMs;
