import type { Page } from "../../app/page.ts";

const pages: readonly Page[] = [
  { path: "/experiments/$id", title: "Experiment", load: () => import("./experiment-page.tsx") },
];
export default pages;
