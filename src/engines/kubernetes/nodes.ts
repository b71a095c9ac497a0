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

/** @returns why no pod of the pool can start there; undefined when one can */
export function whyNot(node: Node, placement: Placement): string | undefined {
  if (node.spec?.unschedulable === true) return "cordoned";
  const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready?.status !== "True") return "not ready";
  const labels = node.metadata.labels ?? {};
  const missing = Object.entries(placement.nodeSelector).find(
    ([key, value]) => labels[key] !== value,
  );
  if (missing !== undefined) return `without the label ${missing.join("=")}`;
  const taint = (node.spec?.taints ?? []).find(
    (found) =>
      found.effect !== "PreferNoSchedule" &&
      !placement.tolerations.some((toleration) => tolerates(toleration, found)),
  );
  return taint === undefined ? undefined : `tainted ${taint.key}`;
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

export function clusterCapacity(
  nodes: readonly Node[],
  measure: SlotMeasure,
  placement: Placement,
): JobCapacity {
  const excluded = new Map<string, number>();
  const able: { readonly node: Node; readonly slots: number }[] = [];
  for (const node of nodes) {
    const why = whyNot(node, placement);
    const slots = slotsOf(node, measure);
    if (why === undefined && slots > 0) able.push({ node, slots });
    else {
      const word = why ?? `without room for a slot`;
      excluded.set(word, (excluded.get(word) ?? 0) + 1);
    }
  }
  const left = [...excluded].map(([why, count]) => `${count} ${why}`).join(", ");
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
      `${left === "" ? "" : `; left out: ${left}`}.`,
  };
}
