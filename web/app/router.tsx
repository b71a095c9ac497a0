/** Addresses, as the features registered them (page.ts). */
import {
  createRootRoute,
  createRoute,
  createRouter,
  Link,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { Broken, Empty, Loading } from "../parts/states.tsx";
import { pages } from "./registry.ts";
import { Shell } from "./shell.tsx";

const root = createRootRoute({
  component: () => (
    <Shell>
      <Outlet />
    </Shell>
  ),
  notFoundComponent: () => (
    <Empty title="There is no such page">
      <Link to="/">All experiments</Link>
    </Empty>
  ),
});

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/experiments" as string, replace: true });
  },
});

const routes = pages.map(({ path, title, load }) =>
  createRoute({
    getParentRoute: () => root,
    path,
    component: lazyRouteComponent(load),
    staticData: { title },
  }),
);

export const router = createRouter({
  routeTree: root.addChildren([home, ...routes]),
  defaultErrorComponent: ({ error }) => <Broken what="This page" error={error} />,
  defaultPendingComponent: () => <Loading what="Loading the page" />,
  defaultPreload: "intent",
  scrollRestoration: true,
  // Plain words in the address: ?state=active, not ?state=%22active%22.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const entries = Object.entries(search).filter(([, value]) => value !== undefined);
    const text = new URLSearchParams(entries.map(([k, v]) => [k, String(v)])).toString();
    return text === "" ? "" : `?${text}`;
  },
});

declare module "@tanstack/react-router" {
  interface StaticDataRouteOption {
    title?: string;
  }
}
