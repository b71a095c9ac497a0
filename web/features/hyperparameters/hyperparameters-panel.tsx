/** What the choice of hyperparameters does to the objective: all axes at once, one or two of them, and which matter. */
import type { PanelProps } from "../../app/page.ts";
import { useAxes } from "../../live/history.ts";
import { Loading } from "../../parts/states.tsx";
import { ImportanceChart } from "./importance-chart.tsx";
import { ParallelChart } from "./parallel-chart.tsx";
import { ScatterChart } from "./scatter-chart.tsx";
import { useTried } from "./tried.ts";

export default function HyperparametersPanel({ live }: PanelProps) {
  const axes = useAxes(live.id);
  const tried = useTried(live, axes);
  if (axes === undefined || tried === undefined) return <Loading what="Asking for the space" />;
  return (
    <>
      <ParallelChart live={live} axes={axes} tried={tried} />
      <ImportanceChart live={live} axes={axes} tried={tried} />
      <ScatterChart live={live} axes={axes} tried={tried} />
    </>
  );
}
