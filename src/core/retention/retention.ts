/**
 * Which checkpoints of an experiment stay, and why. Pure: the same facts give the same verdicts, so what a dry run
 * shows is what a run does.
 *
 * A checkpoint stays for any of a closed list of reasons and goes only when there is none. Two kinds of reason are
 * kept apart. What somebody may still *need* (to go on, to be promoted, to restore a running allocation, because a
 * person or another record holds it) is never a question of policy. What is *worth* keeping is: the best and
 * the latest, as many as `checkpoint_storage` says.
 *
 * Verdicts never have to be taken back: what is not among the best or the latest now will not be later, because new
 * checkpoints only push others further down. That is why the rules can be applied while the search still runs, and
 * not only at its end, when the disk is full already. (Alternative refused: ranking trials that wait by their chance
 * of promotion and dropping the least likely. It saves more, and turns a promotion into training anew.)
 */

/** How long a deleted experiment can be restored. */
export const RESTORABLE_MS = 7 * 24 * 3600 * 1000;

/** How many of each stay. */
export interface RetentionPolicy {
  /** Best measured of the whole experiment. */
  readonly experimentBest: number;
  /** Best measured of each trial. */
  readonly trialBest: number;
  /** Of each trial the latest, measured or not. */
  readonly trialLatest: number;
}

/** What stands outside the experiment and holds a checkpoint; new kinds of holders are new words here. */
export type HoldReason = "pinned" | "source" | "registered" | "replayed";

export type KeepReason =
  | "experiment_best"
  | "trial_best"
  | "trial_latest"
  /** Its trial is not over: it goes on from here, is started again from here, or may still be promoted. */
  | "trial_not_over"
  /** A running allocation was started from it. */
  | "live_allocation"
  /** The experiment was submitted before there was a policy. */
  | "no_policy"
  | HoldReason;

export interface CheckpointFacts {
  readonly trial: number;
  readonly run: number;
  readonly step: number;
  readonly tree: string;
  /** The searcher's metric at the same step of the same run; null = none was reported there. */
  readonly objective: number | null;
  /** When it was saved; tells two saves of one step apart. */
  readonly savedAtMs: number;
}

export interface Place {
  readonly step: number;
  readonly tree: string;
}

export interface TrialFacts {
  readonly isOver: boolean;
  /** Where it would go on from. */
  readonly checkpoint: Place | null;
  /** What its live allocation was started from; null where there is none, or it began at the beginning. */
  readonly restored: Place | null;
}

export interface RetentionInput<C extends CheckpointFacts = CheckpointFacts> {
  /** null = everything stays. */
  readonly policy: RetentionPolicy | null;
  readonly smallerIsBetter: boolean;
  readonly trials: ReadonlyMap<number, TrialFacts>;
  /** Those whose bytes are there. */
  readonly checkpoints: readonly C[];
  /** By tree. */
  readonly holds: ReadonlyMap<string, readonly HoldReason[]>;
}

export interface Verdict<C extends CheckpointFacts = CheckpointFacts> {
  readonly checkpoint: C;
  /** Empty = it goes. */
  readonly keep: readonly KeepReason[];
}

/** @returns a verdict on each checkpoint, in the order given */
export function planRetention<C extends CheckpointFacts>(input: RetentionInput<C>): Verdict<C>[] {
  const { policy, checkpoints, trials, holds } = input;
  const worth = policy === null ? undefined : worthKeeping(input, policy);
  return checkpoints.map((checkpoint) => {
    const keep: KeepReason[] = [
      ...neededBy(trials.get(checkpoint.trial), checkpoint),
      ...(holds.get(checkpoint.tree) ?? []),
      ...(worth === undefined ? (["no_policy"] as const) : (worth.get(checkpoint) ?? [])),
    ];
    return { checkpoint, keep };
  });
}

/**
 * What a trial may need a checkpoint for, whatever the policy. Asked again at the moment of deletion, because
 * verdicts are made from what was read before.
 */
export function neededBy(
  trial: TrialFacts | undefined,
  { step, tree }: Place,
): ("trial_not_over" | "live_allocation")[] {
  const isAt = (place: Place | null | undefined): boolean =>
    place?.tree === tree && place.step === step;
  return [
    ...(trial && !trial.isOver && isAt(trial.checkpoint) ? (["trial_not_over"] as const) : []),
    ...(isAt(trial?.restored) ? (["live_allocation"] as const) : []),
  ];
}

function worthKeeping(
  { checkpoints, smallerIsBetter, trials }: RetentionInput,
  policy: RetentionPolicy,
): Map<CheckpointFacts, KeepReason[]> {
  const reasons = new Map<CheckpointFacts, KeepReason[]>();
  const keep = (reason: KeepReason, ranked: readonly CheckpointFacts[], count: number): void => {
    for (const checkpoint of ranked.slice(0, count))
      reasons.set(checkpoint, [...(reasons.get(checkpoint) ?? []), reason]);
  };
  // NaN and the infinities are no measure of anything: they are never the best, as in the search's own standings.
  const measured = checkpoints.filter((c) => c.objective !== null && Number.isFinite(c.objective));
  measured.sort((a, b) => byObjective(a, b, smallerIsBetter ? 1 : -1));
  keep("experiment_best", measured, policy.experimentBest);
  const bestOf = Map.groupBy(measured, (c) => c.trial);
  for (const ranked of bestOf.values()) keep("trial_best", ranked, policy.trialBest);
  for (const [number, own] of Map.groupBy(checkpoints, (c) => c.trial)) {
    const place = trials.get(number)?.checkpoint;
    const isLast = (c: CheckpointFacts): boolean => place?.tree === c.tree && place.step === c.step;
    // What its trial stands at comes first: an older run may have left something at a later step that came too late.
    const ranked = own.toSorted((a, b) => Number(isLast(b)) - Number(isLast(a)) || byAge(a, b));
    keep("trial_latest", ranked, policy.trialLatest);
  }
  return reasons;
}

/** Of equals the one that took fewer steps; of two saves of one step the later. */
function byObjective(a: CheckpointFacts, b: CheckpointFacts, sign: 1 | -1): number {
  const difference = sign * ((a.objective as number) - (b.objective as number));
  return difference || a.step - b.step || a.trial - b.trial || byAge(a, b);
}

/** The latest first. */
function byAge(a: CheckpointFacts, b: CheckpointFacts): number {
  if (a.step !== b.step) return b.step - a.step;
  if (a.run !== b.run) return b.run - a.run;
  return b.savedAtMs - a.savedAtMs || (a.tree < b.tree ? -1 : a.tree > b.tree ? 1 : 0);
}
