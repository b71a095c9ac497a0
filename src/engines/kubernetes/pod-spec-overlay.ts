/**
 * What a pool and an experiment add to the pods of a job (`environment.pod_spec`): a pod's manifest in parts, laid over
 * one another as Kubernetes lays patches: maps by key, lists by the key that names their elements, and all other lists as
 * a whole. Experiments win over their pool, and what a job stands on (its command, name, labels, files) over both. What
 * may not be added at all stands in `protocol/pod-spec.ts`.
 */
import { isDeepStrictEqual } from "node:util";
import {
  isMap,
  type Json,
  type JsonMap,
  MAIN_CONTAINER,
  MAIN_NAMES,
} from "../../protocol/pod-spec.ts";

/** Lists of which Kubernetes merges the elements, by the field that names them; all others are taken whole. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: "name",
  initContainers: "name",
  volumes: "name",
  env: "name",
  volumeMounts: "mountPath",
  volumeDevices: "devicePath",
  ports: "containerPort",
  imagePullSecrets: "name",
  hostAliases: "ip",
  topologySpreadConstraints: "topologyKey",
};

/** Kubernetes' strategic merge: null deletes, `$patch: replace | delete` does as it says. */
export function strategicMerge(under: JsonMap, patch: JsonMap): JsonMap {
  if (patch.$patch === "replace") return without(patch, "$patch");
  const merged: Record<string, Json> = { ...under };
  for (const [key, value] of Object.entries(patch)) {
    if (key === "$patch") continue;
    const below = merged[key];
    if (value === null) delete merged[key];
    else if (isMap(value)) merged[key] = strategicMerge(isMap(below) ? below : {}, value);
    else if (Array.isArray(value) && MERGE_KEYS[key] !== undefined)
      merged[key] = mergeLists(Array.isArray(below) ? below : [], value, MERGE_KEYS[key]);
    else merged[key] = value;
  }
  return merged;
}

function mergeLists(under: readonly Json[], patch: readonly Json[], key: string): Json[] {
  if (patch.some((item) => isMap(item) && item.$patch === "replace" && !(key in item)))
    return patch.filter((item) => !(isMap(item) && "$patch" in item));
  const merged = [...under];
  for (const item of patch) {
    const at = isMap(item)
      ? merged.findIndex((other) => isMap(other) && isDeepStrictEqual(other[key], item[key]))
      : -1;
    if (isMap(item) && item.$patch === "delete") {
      if (at >= 0) merged.splice(at, 1);
    } else if (at < 0) merged.push(isMap(item) ? strategicMerge({}, item) : item);
    else merged[at] = strategicMerge(merged[at] as JsonMap, item as JsonMap);
  }
  return merged;
}

const without = (map: JsonMap, name: string): JsonMap =>
  Object.fromEntries(Object.entries(map).filter(([key]) => key !== name));

/** The overlay with the job's container under our name, in front: it is the one that people ask for logs. */
export function withOurName(overlay: JsonMap): JsonMap {
  const spec = overlay.spec;
  if (!isMap(spec) || !Array.isArray(spec.containers)) return overlay;
  const isMain = (item: Json) => isMap(item) && MAIN_NAMES.includes(item.name);
  const main = spec.containers.filter(isMain);
  const renamed = main.map((item) => ({ ...(item as JsonMap), name: MAIN_CONTAINER }));
  const others = spec.containers.filter((item) => !isMain(item));
  return { ...overlay, spec: { ...spec, containers: [...renamed, ...others] } };
}
