import type { ExperimentPanel } from "../../app/page.ts";

const panels: readonly ExperimentPanel[] = [
  {
    id: "hyperparameters",
    label: "Hyperparameters",
    order: 50,
    load: () => import("./hyperparameters-panel.tsx"),
  },
];
export default panels;
