/** Retention in words: for the log of changes, and for people who look before anything is deleted. */
import type { CheckpointFacts, RetentionPolicy } from "./retention.ts";

/** Why one goes: it is none of those that stay. */
export function deletionText(checkpoint: CheckpointFacts, policy: RetentionPolicy): string {
  const { objective } = checkpoint;
  const measure =
    objective === null
      ? "no metric was reported at its step"
      : Number.isFinite(objective)
        ? `its objective is ${objective}`
        : `its objective is ${objective}, which is never the best`;
  return `nothing needs it, and it is not among those that checkpoint_storage keeps (${policyText(policy)}): ${measure}`;
}

export const policyText = (policy: RetentionPolicy): string =>
  `best of the experiment ${policy.experimentBest}, best of each trial ${policy.trialBest}, latest of each trial ${policy.trialLatest}`;
