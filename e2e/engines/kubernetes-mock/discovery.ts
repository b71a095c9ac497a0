/** What clients ask before they ask anything: version, groups, and the kinds of `v1`. */
import { KINDS } from "./store.ts";

const VERBS = ["create", "delete", "get", "list", "patch", "watch"];

const subresource = (name: string, kind: string, verbs: string[], more = {}) => ({
  ...{ name, singularName: "", namespaced: true, kind, verbs },
  ...more,
});

const SHORT: Readonly<Record<string, string[]>> = {
  pods: ["po"],
  services: ["svc"],
  configmaps: ["cm"],
  nodes: ["no"],
  namespaces: ["ns"],
  events: ["ev"],
};

/** @returns undefined for what this API has not */
export function discoveryOf(path: string): object | undefined {
  if (path === "/version")
    return { major: "1", minor: "32", gitVersion: "v1.32.4-mock", platform: "linux/amd64" };
  if (path === "/api") return { kind: "APIVersions", versions: ["v1"] };
  if (path === "/apis") {
    const version = { groupVersion: "policy/v1", version: "v1" };
    const groups = [{ name: "policy", versions: [version], preferredVersion: version }];
    return { kind: "APIGroupList", apiVersion: "v1", groups };
  }
  if (path === "/apis/policy/v1")
    return { kind: "APIResourceList", apiVersion: "v1", groupVersion: "policy/v1", resources: [] };
  if (path !== "/api/v1") return undefined;
  const kinds = Object.entries(KINDS).map(([name, { kind, namespaced }]) => ({
    ...{ name, singularName: kind.toLowerCase(), namespaced, kind, verbs: VERBS },
    ...(SHORT[name] === undefined ? {} : { shortNames: SHORT[name] }),
  }));
  const eviction = { group: "policy", version: "v1" };
  const resources = [
    ...kinds,
    subresource("pods/log", "Pod", ["get"]),
    subresource("pods/exec", "PodExecOptions", ["create", "get"]),
    subresource("pods/eviction", "Eviction", ["create"], eviction),
  ];
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: "v1", resources };
}
