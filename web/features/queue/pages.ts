import type { Page } from "../../app/page.ts";

const pages: readonly Page[] = [
  {
    path: "/queue",
    title: "Slots and queue",
    nav: { label: "Slots and queue", order: 20 },
    load: () => import("./queue-page.tsx"),
  },
];
export default pages;
