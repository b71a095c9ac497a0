import type { Page } from "../../app/page.ts";

const pages: readonly Page[] = [
  {
    ...{ path: "/ideas", title: "Ideas" },
    nav: { label: "Ideas", order: 12 },
    load: () => import("./ideas-page.tsx"),
  },
];
export default pages;
