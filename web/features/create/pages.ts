import type { Page } from "../../app/page.ts";

const pages: readonly Page[] = [
  {
    path: "/create",
    title: "New experiment",
    nav: { label: "New experiment", order: 15 },
    load: () => import("./create-page.tsx"),
  },
];
export default pages;
