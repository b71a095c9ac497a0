import type { Page } from "../../app/page.ts";

const pages: readonly Page[] = [
  { path: "/trials/$id", title: "Trial", load: () => import("./trial-page.tsx") },
];
export default pages;
