import type { ExperimentPanel } from "../../app/page.ts";

const panels: readonly ExperimentPanel[] = [
  { id: "compare", label: "Compare", order: 35, load: () => import("./choose-panel.tsx") },
];
export default panels;
