import type { ExperimentPanel } from "../../app/page.ts";

const panels: readonly ExperimentPanel[] = [
  {
    id: "curves",
    label: "Learning curves",
    order: 20,
    onOverview: true,
    load: () => import("./learning-curves.tsx"),
  },
];
export default panels;
