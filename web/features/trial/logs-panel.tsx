import LogViewer from "../../logs/log-viewer.tsx";
import type { TrialPanelProps } from "./use-trial.ts";

export default function LogsPanel({ live: { id, isOver, experiment } }: TrialPanelProps) {
  return (
    <LogViewer subject={{ trial: id }} isOver={isOver} ranks={experiment.plan.slots_per_trial} />
  );
}
