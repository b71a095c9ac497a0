import type { Page } from "../../app/page.ts";

const pages: readonly Page[] = [
  {
    path: "/audit",
    title: "Log of changes",
    nav: { label: "Log of changes", order: 80 },
    load: () => import("./audit-page.tsx"),
  },
];
export default pages;
