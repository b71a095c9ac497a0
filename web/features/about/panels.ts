import type { ExperimentPanel } from "../../app/page.ts";

const panels: readonly ExperimentPanel[] = [
  { id: "about", label: "Notes", order: 85, load: () => import("./about-panel.tsx") },
];
export default panels;
