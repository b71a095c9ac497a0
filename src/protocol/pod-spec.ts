/**
 * What may be added to the pods of a job, by a pool or an experiment: a pod's manifest in parts. What would break the way
 * a job is followed is refused with its path, and not passed over in silence: whoever writes a liveness probe and gets none
 * would believe in it. Sidecars are free.
 */

/** The container in which a job's command runs, under our name and under the one that older configurations use. */
export const MAIN_CONTAINER = "contrail";
export const MAIN_NAMES: readonly unknown[] = [MAIN_CONTAINER, "determined-container"];

export type Json = null | boolean | number | string | readonly Json[] | JsonMap;
export interface JsonMap {
  readonly [key: string]: Json;
}

export const isMap = (value: unknown): value is JsonMap =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const OURS = "Contrail sets it itself";
const REFUSED_OF_POD: Readonly<Record<string, string>> = {
  "metadata.name": OURS,
  "metadata.generateName": OURS,
  "metadata.namespace": "the pool names it (namespace)",
  "metadata.ownerReferences": OURS,
  "metadata.finalizers": "a job's pods have to go when they are told to",
  "spec.restartPolicy": "a job never starts again under the same name",
  "spec.hostname": OURS,
  "spec.subdomain": OURS,
  "spec.hostPID": "a signal to the job would reach the host's first process",
  "spec.shareProcessNamespace": "a signal to the job would reach the pod's sandbox",
  "spec.terminationGracePeriodSeconds": "the pool names it (grace)",
  status: "it is Kubernetes' own",
};
const REFUSED_OF_MAIN: Readonly<Record<string, string>> = {
  image: "use environment.image",
  command: "use entrypoint",
  args: "use entrypoint",
  workingDir: OURS,
  ports: "a job is reached by nobody from outside",
  livenessProbe: "the runner watches over what it starts",
  readinessProbe: "the runner watches over what it starts",
  startupProbe: "the runner watches over what it starts",
  lifecycle: "a hook would take time from the grace",
  terminationMessagePath: OURS,
  terminationMessagePolicy: OURS,
  imagePullPolicy: "use environment.force_pull_image",
  securityContext: "use securityContext of the pod's spec",
};

const at = (map: JsonMap, path: readonly string[]): Json | undefined =>
  path.reduce<Json | undefined>((value, key) => (isMap(value) ? value[key] : undefined), map);

export interface OverlayFault {
  readonly path: readonly (string | number)[];
  /** What it must be, in words: `left out: …`. */
  readonly must: string;
}

/** Looks at an overlay as somebody wrote it. @returns every fault; empty when it may be used */
export function faultsOfOverlay(overlay: unknown): OverlayFault[] {
  if (!isMap(overlay)) return [{ path: [], must: "a map: a pod's manifest, or parts of one" }];
  const faults: OverlayFault[] = [];
  const leaveOut = (path: readonly string[], why: string) =>
    faults.push({ path, must: `left out: ${why}` });
  const known = ["apiVersion", "kind", "metadata", "spec", "status"];
  for (const key of Object.keys(overlay))
    if (!known.includes(key))
      leaveOut([key], "a pod has metadata and spec; what belongs to the pod goes below spec");
  for (const [key, only] of Object.entries({ apiVersion: "v1", kind: "Pod" }))
    if (overlay[key] !== undefined && overlay[key] !== only)
      faults.push({ path: [key], must: `"${only}", or left out` });
  for (const [text, why] of Object.entries(REFUSED_OF_POD)) {
    const path = text.split(".");
    const value = at(overlay, path);
    if (value === undefined || value === null) continue;
    if (text === "spec.restartPolicy" && value === "Never") continue;
    leaveOut(path, why);
  }
  for (const part of ["labels", "annotations"])
    for (const key of Object.keys((at(overlay, ["metadata", part]) as JsonMap | null) ?? {}))
      if (key.startsWith("contrail.")) leaveOut(["metadata", part, key], OURS);
  for (const list of ["containers", "initContainers"])
    faults.push(...faultsOfContainers(at(overlay, ["spec", list]), list));
  return faults;
}

function faultsOfContainers(value: Json | undefined, list: string): OverlayFault[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return [{ path: ["spec", list], must: "a list" }];
  return value.flatMap((item: Json, index: number): OverlayFault[] => {
    const path = ["spec", list, index];
    if (!isMap(item) || typeof item.name !== "string")
      return [{ path, must: "a map with the name of a container" }];
    if (!MAIN_NAMES.includes(item.name)) return [];
    if (list === "initContainers")
      return [{ path: [...path, "name"], must: "another: that is the container of the job" }];
    return Object.entries(REFUSED_OF_MAIN).flatMap(([field, why]) =>
      item[field] === undefined || item[field] === null
        ? []
        : [{ path: [...path, field], must: `left out: ${why}` }],
    );
  });
}

/** @param where how the overlay is called, such as `environment.pod_spec` */
export const faultText = (where: string, { path, must }: OverlayFault): string =>
  `${where}${path.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`)).join("")} must be ${must}.`;
