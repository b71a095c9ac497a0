/** What retention says of one experiment, from what is stored: the same for a dry run, and for the deletion itself. */
import {
  type HoldReason,
  planRetention,
  type RetentionPolicy,
  type Verdict,
} from "../../core/retention/retention.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import type {
  ExperimentForRetention,
  RetentionStore,
  StoredCheckpoint,
} from "../../store/retention-store.ts";

/** null = it was submitted when everything was kept. */
export function toRetentionPolicy(config: unknown): RetentionPolicy | null {
  const { checkpoint_storage: storage } = config as Partial<ExperimentConfig>;
  if (storage === undefined) return null;
  return {
    experimentBest: storage.save_experiment_best,
    trialBest: storage.save_trial_best,
    trialLatest: storage.save_trial_latest,
  };
}

/** In the order of trials and steps. @param pinned trees */
export async function verdictsOn(
  store: RetentionStore,
  experiment: ExperimentForRetention,
  pinned: ReadonlySet<string>,
): Promise<{ policy: RetentionPolicy | null; verdicts: Verdict<StoredCheckpoint>[] }> {
  const policy = toRetentionPolicy(experiment.config);
  const { searcher } = experiment.config as unknown as ExperimentConfig;
  // Checkpoints before trials: what a trial stands at by then can only be later than what is judged here.
  const checkpoints = await store.checkpoints(experiment.id, searcher.metric);
  const trials = await store.trials(experiment.id);
  const holds = new Map<string, HoldReason[]>([...pinned].map((tree) => [tree, ["pinned"]]));
  for (const { tree, reason } of await store.held(experiment.id))
    holds.set(tree, [...(holds.get(tree) ?? []), reason]);
  const verdicts = planRetention({
    ...{ policy, checkpoints, trials, smallerIsBetter: searcher.smaller_is_better, holds },
  });
  return { policy, verdicts };
}
