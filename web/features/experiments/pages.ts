import type { Page } from "../../app/page.ts";

const pages: readonly Page[] = [
  {
    path: "/experiments",
    title: "Experiments",
    nav: { label: "Experiments", order: 10 },
    load: () => import("./experiments-page.tsx"),
  },
];
export default pages;
