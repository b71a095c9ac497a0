import type { Page } from "../../app/page.ts";

const pages: readonly Page[] = [
  { path: "/lineage/$thing", title: "Lineage", load: () => import("./lineage-page.tsx") },
];
export default pages;
