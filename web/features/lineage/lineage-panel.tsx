/** Where an experiment comes from and what came of it, as a tab of it. */
import type { PanelProps } from "../../app/page.ts";
import { LineageOf } from "./lineage-of.tsx";

export default function LineagePanel({ live }: PanelProps) {
  return <LineageOf thing={`experiment:${live.experiment.id}`} />;
}
