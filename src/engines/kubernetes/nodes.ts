/** What a cluster has for a pool: its nodes' allocatable devices or cores, of those nodes where the pool's pods may go. */
import type { JobCapacity } from "../job-engine.ts";
import type { Node, Taint } from "./objects.ts";
import { parseQuantity } from "./quantity.ts";

export interface SlotMeasure {
  readonly kind: "gpu" | "cpu";
  readonly gpuResource: string;
  readonly cpusPerSlot: number;
  /** A quantity; null where memory limits nothing. */
  readonly memoryPerSlot: string | null;
}

export interface Placement {
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations: readonly Toleration[];
}

export interface Toleration {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string;
}

export interface Hindrance {
  readonly why: string;
  /** It passes by itself, or by somebody who works on the node: a pod waits for it. */
  readonly isForNow: boolean;
}

/** Taints that Kubernetes itself sets and takes away: unreachable, disk-pressure, unschedulable, uninitialized, … */
const OF_KUBERNETES = /^node\.(?:cloudprovider\.)?kubernetes\.io\//;

/** @returns why no pod of the pool can start there, before what only keeps it from doing so now; undefined when one can */
export function whyNot(node: Node, placement: Placement): Hindrance | undefined {
  const labels = node.metadata.labels ?? {};
  const missing = Object.entries(placement.nodeSelector).find(
    ([key, value]) => labels[key] !== value,
  );
  if (missing !== undefined)
    return { why: `without the label ${missing.join("=")}`, isForNow: false };
  const taints = (node.spec?.taints ?? []).filter(
    (found) =>
      found.effect !== "PreferNoSchedule" &&
      !placement.tolerations.some((toleration) => tolerates(toleration, found)),
  );
  const lasting = taints.find(({ key }) => !OF_KUBERNETES.test(key));
  if (lasting !== undefined) return { why: `tainted ${lasting.key}`, isForNow: false };
  if (node.spec?.unschedulable === true) return { why: "cordoned", isForNow: true };
  const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready?.status !== "True") return { why: "not ready", isForNow: true };
  const [passing] = taints;
  return passing && { why: `tainted ${passing.key}`, isForNow: true };
}

function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (!toleration.key) return toleration.operator === "Exists";
  if (toleration.key !== taint.key) return false;
  return toleration.operator === "Exists" || (toleration.value ?? "") === (taint.value ?? "");
}

/** Slots that the node could give if nothing ran there: it is Kubernetes that says what is free. */
export function slotsOf(node: Node, measure: SlotMeasure): number {
  const has = (resource: string): number =>
    parseQuantity(node.status?.allocatable?.[resource] ?? "0") ?? 0;
  // A little is added so that 0.1 + 0.2 cores are 0.3.
  const times = (amount: number, each: number): number => Math.floor(amount / each + 1e-9);
  const limits = [
    measure.kind === "gpu" ? has(measure.gpuResource) : Number.POSITIVE_INFINITY,
    times(has("cpu"), measure.cpusPerSlot),
    measure.memoryPerSlot === null
      ? Number.POSITIVE_INFINITY
      : times(has("memory"), parseQuantity(measure.memoryPerSlot) ?? Number.POSITIVE_INFINITY),
  ];
  return Math.max(0, Math.min(...limits));
}

/** What a GPU is called by the labels that the makers' own operators put on nodes. */
const GPU_LABELS = ["nvidia.com/gpu.product", "amd.com/gpu.product-name", "gpu.intel.com/product"];

/** Nodes that are out for now count: what is too large for the others waits for them and is not refused. */
export function clusterCapacity(
  nodes: readonly Node[],
  measure: SlotMeasure,
  placement: Placement,
): JobCapacity {
  const excluded = new Map<string, number>();
  const delayed = new Map<string, number>();
  const able: { readonly node: Node; readonly slots: number }[] = [];
  const count = (words: Map<string, number>, word: string) =>
    words.set(word, (words.get(word) ?? 0) + 1);
  for (const node of nodes) {
    const hindrance = whyNot(node, placement);
    const slots = slotsOf(node, measure);
    if (hindrance !== undefined && !hindrance.isForNow) count(excluded, hindrance.why);
    else if (slots === 0) count(excluded, hindrance?.why ?? "without room for a slot");
    else {
      able.push({ node, slots });
      if (hindrance !== undefined) count(delayed, hindrance.why);
    }
  }
  const unit =
    measure.kind === "gpu"
      ? measure.gpuResource
      : `${measure.cpusPerSlot} cores${measure.memoryPerSlot === null ? "" : ` with ${measure.memoryPerSlot}`}`;
  const models = new Set(
    able.flatMap(({ node }) => GPU_LABELS.flatMap((label) => node.metadata.labels?.[label] ?? [])),
  );
  return {
    slots: able.reduce((sum, { slots }) => sum + slots, 0),
    slotsPerNode: Math.max(0, ...able.map(({ slots }) => slots)),
    nodes: able.length,
    kind: measure.kind,
    device: measure.kind === "gpu" && models.size > 0 ? [...models].join(", ") : unit,
    reason:
      `What ${able.length} of ${nodes.length} nodes can allocate (${unit} a slot)` +
      `${listed("not now", delayed)}${listed("left out", excluded)}.`,
  };
}

const listed = (what: string, words: ReadonlyMap<string, number>): string =>
  words.size === 0
    ? ""
    : `; ${what}: ${[...words].map(([why, count]) => `${count} ${why}`).join(", ")}`;
