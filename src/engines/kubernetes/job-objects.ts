/**
 * The objects that make up a job: a ConfigMap that is its record, a Secret with the files it brings, a headless Service where
 * nodes look for one another, and a Pod for each node. The record comes first and owns the others: whoever deletes it
 * deletes the job. It outlives the pods, which a drained node takes along with all that is known of them, and so a name
 * that was used stays used.
 *
 * Not a Job of `batch/v1`: its controller would start a failed pod again under the same name, and its pods' names are its own.
 */
import { createHash } from "node:crypto";
import { type JsonMap, MAIN_CONTAINER } from "../../protocol/pod-spec.ts";
import type { JobEnd, JobRequest } from "../job-engine.ts";
import type { ConfigMap, OwnerReference, Pod } from "./objects.ts";
import { strategicMerge, withOurName } from "./pod-spec-overlay.ts";
import { multiplied } from "./quantity.ts";

export const LABELS = {
  owner: "contrail.owner",
  allocation: "contrail.allocation",
  rank: "contrail.rank",
} as const;
export const TITLE = "contrail.title";

export interface PodSettings {
  readonly namespace: string;
  readonly slotType: "gpu" | "cpu";
  readonly gpuResource: string;
  readonly cpusPerSlot: number;
  readonly memoryPerSlot: string | null;
  readonly graceS: number;
  /** Of the pool, then of the experiment; both looked at already. */
  readonly overlays: readonly JsonMap[];
  readonly image: string;
  readonly pull: "Always" | null;
}

/** Of one job: everything but the pods has it; unique over owners, and no longer than a host's name may be. */
export function jobName(owner: string, id: string): string {
  const hash = createHash("sha256").update(`${owner}/${id}`).digest("hex").slice(0, 10);
  const readable = id
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 36);
  return `contrail-${readable === "" ? "" : `${readable}-`}${hash}`;
}

export const podName = (job: string, rank: number): string => `${job}-${rank}`;

/** Of one record alone: what an earlier try to launch the job left goes with a record of its own, at any time. */
const secretName = ({ metadata }: ConfigMap): string => `${metadata.name}-${metadata.uid}`;

export const rankOf = (pod: Pod): number => Number(pod.metadata.labels?.[LABELS.rank] ?? 0);

const labelsOf = (owner: string, id: string) => ({
  "app.kubernetes.io/managed-by": "contrail",
  [LABELS.owner]: owner,
  [LABELS.allocation]: id,
});

/** What a record says beyond the labels; values are text, as a ConfigMap has it. */
export interface JobRecord {
  readonly nodes: number;
  /** Every pod has been made once: from then on one that is missing is gone. */
  readonly started: boolean;
  /** Somebody told Contrail to end it. */
  readonly cancelled: boolean;
  readonly end: JobEnd | undefined;
  /** Milliseconds since 1970. */
  readonly endedMs: number | undefined;
}

export function recordManifest(request: JobRequest, settings: PodSettings): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: jobName(request.owner, request.id),
      namespace: settings.namespace,
      labels: labelsOf(request.owner, request.id),
      annotations: { [TITLE]: request.title },
    },
    data: { nodes: String(request.nodes) },
  };
}

export function readRecord(record: ConfigMap): JobRecord {
  const { nodes, started, cancelled, end, ended_at } = record.data ?? {};
  return {
    nodes: Number(nodes ?? 1),
    started: started !== undefined,
    cancelled: cancelled !== undefined,
    end: end === undefined ? undefined : (JSON.parse(end) as JobEnd),
    endedMs: ended_at === undefined ? undefined : Date.parse(ended_at),
  };
}

export const ownedBy = (record: ConfigMap): OwnerReference => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  name: record.metadata.name,
  uid: record.metadata.uid ?? "",
});

/** @param files name → content */
export const secretManifest = (
  request: JobRequest,
  record: ConfigMap,
  files: ReadonlyMap<string, Buffer>,
) => ({
  apiVersion: "v1",
  kind: "Secret",
  type: "Opaque",
  metadata: { ...shared(request, record), name: secretName(record) },
  immutable: true,
  data: Object.fromEntries([...files].map(([name, bytes]) => [name, bytes.toString("base64")])),
});

export const serviceManifest = (request: JobRequest, record: ConfigMap) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { ...shared(request, record), name: record.metadata.name },
  spec: {
    clusterIP: "None",
    selector: { [LABELS.owner]: request.owner, [LABELS.allocation]: request.id },
    // Nodes look for each other before anybody could say that they are ready.
    publishNotReadyAddresses: true,
  },
});

const shared = (request: JobRequest, record: ConfigMap) => ({
  namespace: record.metadata.namespace,
  labels: labelsOf(request.owner, request.id),
  ownerReferences: [ownedBy(record)],
});

const FILES = "contrail-files";
const SHARED_MEMORY = "contrail-shm";

export function podManifest(
  request: JobRequest,
  rank: number,
  settings: PodSettings,
  record: ConfigMap,
): Pod {
  const job = record.metadata.name;
  const name = podName(job, rank);
  // Where overlays say nothing.
  const defaults: JsonMap = {
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      volumes: [{ name: SHARED_MEMORY, emptyDir: { medium: "Memory" } }],
      containers: [
        {
          name: MAIN_CONTAINER,
          // A container has 64 MB there by itself, of which loaders of data die.
          volumeMounts: [{ name: SHARED_MEMORY, mountPath: "/dev/shm" }],
          resources: resourcesOf(request, settings),
        },
      ],
    },
  };
  const ours: JsonMap = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...(shared(request, record) as unknown as JsonMap),
      name,
      labels: { ...labelsOf(request.owner, request.id), [LABELS.rank]: String(rank) },
      annotations: { [TITLE]: request.title },
    },
    spec: {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: Math.ceil(settings.graceS),
      hostname: name,
      ...(request.nodes > 1 ? { subdomain: job, affinity: apart(request) } : {}),
      ...(request.files.length > 0
        ? {
            volumes: [
              { name: FILES, secret: { secretName: secretName(record), defaultMode: 0o444 } },
            ],
          }
        : {}),
      containers: [
        {
          name: MAIN_CONTAINER,
          image: settings.image,
          ...(settings.pull === null ? {} : { imagePullPolicy: settings.pull }),
          command: request.command.map(literal),
          env: environmentOf(request, rank, job, settings),
          ...(request.files.length > 0
            ? { volumeMounts: [{ name: FILES, mountPath: request.folder, readOnly: true }] }
            : {}),
          ...(settings.slotType === "gpu"
            ? { resources: { limits: { [settings.gpuResource]: String(request.slotsPerNode) } } }
            : {}),
        },
      ],
    },
  };
  const layers = [defaults, ...settings.overlays.map(withOurName), ours];
  return layers.reduce(strategicMerge, {}) as unknown as Pod;
}

/** Kubernetes reads `$(NAME)` and `$$` in commands and variables, which nobody here has asked for. */
const literal = (text: string): string => text.replaceAll("$", "$$$$");

/** A node each: what is said of the slots of one node would not hold for two pods on it. */
const apart = (request: JobRequest): JsonMap => ({
  podAntiAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: [
      {
        topologyKey: "kubernetes.io/hostname",
        labelSelector: {
          matchLabels: {
            [LABELS.owner]: request.owner,
            [LABELS.allocation]: request.id,
          },
        },
      },
    ],
  },
});

/** Cores are asked for and not limited: what others leave idle may be used. Memory is both, lest the node run out of it. */
function resourcesOf(request: JobRequest, settings: PodSettings): JsonMap {
  const millicores = Math.round(settings.cpusPerSlot * request.slotsPerNode * 1000);
  // As Kubernetes writes it itself.
  const cpu = millicores % 1000 === 0 ? String(millicores / 1000) : `${millicores}m`;
  const memory: JsonMap =
    settings.memoryPerSlot === null
      ? {}
      : { memory: multiplied(settings.memoryPerSlot, request.slotsPerNode) };
  return { requests: { cpu, ...memory }, limits: memory };
}

function environmentOf(
  request: JobRequest,
  rank: number,
  job: string,
  settings: PodSettings,
): JsonMap[] {
  const plain = {
    ...request.environment,
    CONTRAIL_NODE_RANK: String(rank),
    CONTRAIL_NODES: String(request.nodes),
    // By the Service, known before the pod behind it has an address.
    ...(request.nodes > 1
      ? { CONTRAIL_FIRST_NODE: `${podName(job, 0)}.${job}.${settings.namespace}.svc` }
      : {}),
  };
  return [
    ...Object.entries(plain).map(([name, value]) => ({ name, value: literal(value) })),
    { name: "CONTRAIL_NODE_ADDRESS", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
  ];
}
