/**
 * Slots of trials whose result is in and does not count yet (a deterministic search waits for others first).
 *
 * Such a trial keeps its slots as long as nobody else wants them, since starting its program again is not
 * free, and gives them back when somebody does (`schedule/make-room.ts`). What it kept them for is counted here.
 */
import type { Experiment, HeldCost } from "./experiment.ts";
import type { TrialState } from "./trial.ts";

export const NOTHING_HELD: HeldCost = { results: 0, ms: 0, msMax: 0, slotMs: 0 };

/** From now on what it holds stands idle. */
export function standStill(trial: TrialState, nowMs: number): void {
  if (trial.allocation !== null) trial.allocation.idleSinceMs ??= nowMs;
}

/** It trains on, or goes. */
export function endStandstill(experiment: Experiment, trial: TrialState, nowMs: number): void {
  const { allocation } = trial;
  if (allocation?.idleSinceMs === undefined) return;
  const slotMs =
    Math.max(0, nowMs - allocation.idleSinceMs) * experiment.spec.slotsPerTrial +
    (experiment.core.held ?? NOTHING_HELD).slotMs;
  delete allocation.idleSinceMs;
  experiment.core.held = { ...(experiment.core.held ?? NOTHING_HELD), slotMs };
}

/** What the search itself counts, brought up to date. @returns whether anything is new */
export function noteHeld({ core, search }: Experiment): boolean {
  const held = search.virtual?.held;
  if (held === undefined) return false;
  const before: HeldCost | undefined = core.held;
  core.held = { ...held, slotMs: before?.slotMs ?? 0 };
  return before?.results !== held.results;
}

/** Does it stand still with slots that it could give back? */
export const standsStill = ({ allocation }: TrialState): boolean =>
  allocation?.idleSinceMs !== undefined && allocation.yield === null && !allocation.kill;
