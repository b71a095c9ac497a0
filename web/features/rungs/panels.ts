import type { ExperimentPanel } from "../../app/page.ts";

const panels: readonly ExperimentPanel[] = [
  { id: "rungs", label: "Plan and rungs", order: 40, load: () => import("./rungs-panel.tsx") },
];
export default panels;
