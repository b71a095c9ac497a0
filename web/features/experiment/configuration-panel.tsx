/** The configuration: as it was written, and as it was resolved. */
import type { PanelProps } from "../../app/page.ts";
import { useExperimentDetail } from "../../live/experiment-detail.ts";
import { ConfigurationText } from "../../parts/configuration-text.tsx";
import { Failed, Loading } from "../../parts/states.tsx";

export default function ConfigurationPanel({ live: { id } }: PanelProps) {
  const detail = useExperimentDetail(id);
  if (detail.isPending) return <Loading what="Asking for the configuration" />;
  if (!detail.data) return <Failed error={detail.error} again={() => void detail.refetch()} />;
  return <ConfigurationText detail={detail.data} first="written" />;
}
