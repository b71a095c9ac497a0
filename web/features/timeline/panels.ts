import type { ExperimentPanel } from "../../app/page.ts";

const panels: readonly ExperimentPanel[] = [
  { id: "time", label: "Time and slots", order: 60, load: () => import("./timeline-panel.tsx") },
];
export default panels;
