/** The configuration: as it was written, and as it was resolved. */
import { useQuery } from "@tanstack/react-query";
import type { PanelProps } from "../../app/page.ts";
import { client } from "../../live/client.ts";
import { ConfigurationText } from "../../parts/configuration-text.tsx";
import { Failed, Loading } from "../../parts/states.tsx";

export default function ConfigurationPanel({ live: { id } }: PanelProps) {
  const detail = useQuery({
    queryKey: ["experiment", id, "detail"],
    queryFn: () => client.experiment(id),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (detail.isPending) return <Loading what="Asking for the configuration" />;
  if (detail.isError) return <Failed error={detail.error} again={() => void detail.refetch()} />;
  return <ConfigurationText detail={detail.data} first="written" />;
}
