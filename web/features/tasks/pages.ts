import type { Page } from "../../app/page.ts";

const pages: readonly Page[] = [
  {
    path: "/tasks",
    title: "Tasks",
    nav: { label: "Tasks", order: 15 },
    load: () => import("./tasks-page.tsx"),
  },
];
export default pages;
