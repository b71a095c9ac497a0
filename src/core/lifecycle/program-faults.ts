/**
 * When a search's program cannot work at all, and what to say of its failures.
 *
 * A search answers a failed trial with the next one, and a program with a typing error fails ten thousand times.
 * So: once three trials have ended by a fault of the program and nobody has ever reported anything, the experiment ends.
 * Two things speak for the program and keep it going: a trial that ended well (not every program reports), and one
 * that runs its first attempt for at least as long as any of the failed ones lasted (its first step may take hours).
 * Alternative refused: comparing the messages of the failures; the same fault has many texts.
 */
import { type EndReason, endStateName, type TrialState } from "./trial.ts";

/** Trials that have to fail before it is the program's fault and not their hyperparameters'. */
export const FAILURES_TOLD = 3;

const PROGRAM_FAULTS: readonly EndReason[] = [
  "user_error",
  "launch_failed",
  "no_progress",
  "objective_missing",
];

/**
 * @param trials of an experiment in which no step was trained; the step of the checkpoint they go on from is none
 * @returns why the experiment has to end, or undefined while there is hope
 */
export function programNeverWorked(
  trials: Iterable<TrialState>,
  nowMs: number,
): string | undefined {
  const failed: TrialState[] = [];
  let [failedLongestMs, aliveLongestMs] = [0, -1];
  for (const trial of trials) {
    if (trial.metricNames.length > 0) return undefined;
    if (trial.over === null) {
      if (trial.allocation?.phase === "running" && trial.restarts === 0 && trial.ending === null)
        aliveLongestMs = Math.max(aliveLongestMs, nowMs - trial.allocation.sinceMs);
    } else if (PROGRAM_FAULTS.includes(trial.over)) {
      failed.push(trial);
      failedLongestMs = Math.max(failedLongestMs, lastedMs(trial));
    } else if (endStateName(trial.over) === "completed") return undefined;
  }
  if (failed.length < FAILURES_TOLD || aliveLongestMs >= failedLongestMs) return undefined;
  return `${failed.length} trials failed before they reported anything; the last: ${lastFailure(failed)}`;
}

/** The last of these that ended in error, in words. */
export function lastFailure(trials: Iterable<TrialState>): string | undefined {
  let last: TrialState | undefined;
  for (const trial of trials)
    if (trial.over !== null && endStateName(trial.over) === "error")
      if (last === undefined || (trial.endedAtMs ?? 0) >= (last.endedAtMs ?? 0)) last = trial;
  return last && `trial ${last.number}: ${last.reason}`;
}

const lastedMs = ({ startedAtMs, endedAtMs }: TrialState): number =>
  startedAtMs === null || endedAtMs === null ? 0 : Math.max(0, endedAtMs - startedAtMs);
