/** The configuration of the trial's experiment: as it was resolved, and as it was written. */
import { useExperimentDetail } from "../../live/experiment-detail.ts";
import { ConfigurationText } from "../../parts/configuration-text.tsx";
import { Failed, Loading } from "../../parts/states.tsx";
import type { TrialPanelProps } from "./use-trial.ts";

export default function ConfigurationPanel({ live: { experiment } }: TrialPanelProps) {
  const detail = useExperimentDetail(experiment.id);
  if (detail.isPending) return <Loading what="Asking for the configuration" />;
  if (!detail.data) return <Failed error={detail.error} again={() => void detail.refetch()} />;
  return <ConfigurationText detail={detail.data} first="resolved" />;
}
