import type { ExperimentPanel } from "../../app/page.ts";

const panels: readonly ExperimentPanel[] = [
  { id: "lineage", label: "Lineage", order: 85, load: () => import("./lineage-panel.tsx") },
];
export default panels;
