import type { Page } from "../../app/page.ts";

const pages: readonly Page[] = [
  { path: "/compare", title: "Compare trials", load: () => import("./compare-page.tsx") },
];
export default pages;
