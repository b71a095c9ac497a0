import type { ExperimentPanel } from "../../app/page.ts";

const panels: readonly ExperimentPanel[] = [
  { id: "trials", label: "Trials", order: 30, load: () => import("./trials-panel.tsx") },
  { id: "logs", label: "Logs", order: 80, load: () => import("./logs-panel.tsx") },
  {
    id: "configuration",
    label: "Configuration",
    order: 90,
    load: () => import("./configuration-panel.tsx"),
  },
];
export default panels;
