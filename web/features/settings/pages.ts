import type { Page } from "../../app/page.ts";

const pages: readonly Page[] = [
  {
    path: "/settings",
    title: "Settings",
    nav: { label: "Settings", order: 90 },
    load: () => import("./settings-page.tsx"),
  },
];
export default pages;
