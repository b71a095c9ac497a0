/** Whether a partition can ever hold a job, and what it holds in all: Slurm would let one that is too wide wait for ever. */
import { plural } from "../../base/plural.ts";
import type { SlurmPool } from "../../protocol/pools/fields.ts";
import { type JobCapacity, JobRefused } from "../job-engine.ts";
import type { SlurmNode, SlurmPartition } from "./slurm-access.ts";

export type SlotShape = Pick<
  SlurmPool,
  "slot_type" | "gpu_type" | "cpus_per_slot" | "memory_per_slot" | "slots" | "slots_per_node"
>;

/** Slots of a node, by whatever there is least of. */
export function slotsOf(node: SlurmNode, partition: SlurmPartition, shape: SlotShape): number {
  const cpus = Math.min(node.cpus, partition.cpusPerNodeMax ?? Number.POSITIVE_INFINITY);
  const memory = Math.min(
    node.memoryMegabytes,
    partition.memoryMegabytesPerNodeMax ?? Number.POSITIVE_INFINITY,
  );
  const memoryPerSlot = megabytes(shape.memory_per_slot);
  const limits = [Math.floor(cpus / shape.cpus_per_slot)];
  if (memoryPerSlot !== null) limits.push(Math.floor(memory / memoryPerSlot));
  if (shape.slot_type === "gpu") limits.push(gpusOf(node.gres, shape.gpu_type));
  if (shape.slots_per_node !== null) limits.push(shape.slots_per_node);
  return Math.min(...limits);
}

export function capacityOf(
  partition: SlurmPartition,
  nodes: readonly SlurmNode[],
  shape: SlotShape,
): JobCapacity {
  const each = nodes.map((node) => slotsOf(node, partition, shape)).filter((slots) => slots > 0);
  const all = each.reduce((sum, slots) => sum + slots, 0);
  const out = nodes.filter(({ state }) => isOut(state));
  const aside = out.map(
    ({ name, state, reason }) => `${name} ${state}${reason === "" ? "" : ` (${reason})`}`,
  );
  return {
    slots: Math.min(all, shape.slots ?? all),
    slotsPerNode: Math.max(0, ...each),
    nodes: each.length,
    kind: shape.slot_type,
    device: deviceOf(nodes, shape),
    reason:
      `${plural(nodes.length, "node")} of Slurm's partition ${partition.name}, ` +
      (each.length < nodes.length ? `${each.length} of them with slots` : slotWords(each)) +
      (shape.slots !== null && shape.slots < all ? `; at most ${shape.slots} for this pool` : "") +
      (aside.length > 0 ? `; out of service now: ${aside.slice(0, 5).join(", ")}` : ""),
  };
}

const slotWords = (each: readonly number[]): string => {
  const most = Math.max(...each);
  const least = Math.min(...each);
  return most === least ? `${plural(most, "slot")} each` : `${least} to ${most} slots each`;
};

/** It counts all the same: it comes back, and until then Slurm says why a job waits. */
const isOut = (state: string): boolean =>
  /^(?:down|drain|fail|error|maint|reboot|inval|unk)/i.test(state);

export interface Wish {
  readonly nodes: number;
  readonly slotsPerNode: number;
  readonly limitMs: number | null;
}

/** @throws JobRefused, with the nearest that would fit */
export function demandFit(
  wish: Wish,
  partition: SlurmPartition,
  nodes: readonly SlurmNode[],
  shape: SlotShape,
): void {
  const each = nodes.map((node) => slotsOf(node, partition, shape)).sort((a, b) => b - a);
  const most = partition.nodesMax ?? Number.POSITIVE_INFINITY;
  const fitting = each.filter((slots) => slots >= wish.slotsPerNode).length;
  const asks = `it asks for ${plural(wish.nodes, "node")} with ${plural(wish.slotsPerNode, shape.slot_type === "gpu" ? "GPU" : "slot")} each`;
  const where = `Slurm's partition ${partition.name}`;
  if (fitting === 0) {
    const nearest = Math.max(0, ...each);
    const count = Math.min(wish.nodes, each.filter((slots) => slots === nearest).length, most);
    throw new JobRefused(
      `${asks}; the largest node of ${where} has ${plural(nearest, "slot")}.`,
      nearest === 0 ? null : `${plural(count, "node")} with ${plural(nearest, "slot")} each`,
    );
  }
  if (wish.nodes > Math.min(fitting, most)) {
    const limit =
      most < fitting
        ? `${where} gives one job ${plural(most, "node")} at most`
        : `${where} has ${plural(fitting, "node")} as large`;
    const count = Math.min(fitting, most);
    throw new JobRefused(
      `${asks}; ${limit}.`,
      `${plural(count, "node")} with ${plural(wish.slotsPerNode, "slot")} each`,
    );
  }
  if (wish.limitMs !== null && partition.limitMaxMs !== null && wish.limitMs > partition.limitMaxMs)
    throw new JobRefused(
      `its time limit is ${plural(minutes(wish.limitMs), "minute")}; ${where} gives ${minutes(partition.limitMaxMs)} at most.`,
      `a time limit of ${plural(minutes(partition.limitMaxMs), "minute")}`,
    );
}

export function choosePartition(
  all: readonly (SlurmPartition & { readonly isDefault: boolean })[],
  name: string | undefined,
): SlurmPartition {
  const found = all.find((each) => (name === undefined ? each.isDefault : each.name === name));
  if (found !== undefined) return found;
  const names = all.map((each) => each.name).join(", ") || "none";
  const what =
    name === undefined
      ? "Slurm has no default partition; the pool has to name one"
      : `Slurm has no partition ${name}`;
  throw new JobRefused(`${what}. It has: ${names}.`, names);
}

const minutes = (durationMs: number): number => Math.ceil(durationMs / 60_000);

/** @param gres `gpu:a100:4(S:0-1),gpu:2,nvme:1` @param type absent: any */
export function gpusOf(gres: string, type: string | null): number {
  return gpuEntries(gres)
    .filter((entry) => type === null || entry.type === type)
    .reduce((sum, { count }) => sum + count, 0);
}

function gpuEntries(gres: string): { type: string | null; count: number }[] {
  return gres
    .replaceAll(/\([^)]*\)/g, "")
    .split(",")
    .flatMap((entry) => {
      const match = /^(?:gres[:/])?gpu(?::([^:]*[^:\d][^:]*))?(?::(\d+))?$/.exec(entry.trim());
      return match === null ? [] : [{ type: match[1] ?? null, count: Number(match[2] ?? 1) }];
    });
}

function deviceOf(nodes: readonly SlurmNode[], shape: SlotShape): string {
  if (shape.slot_type === "cpu") return `CPU share (${plural(shape.cpus_per_slot, "processor")})`;
  const types = nodes.flatMap(({ gres }) => gpuEntries(gres).map(({ type }) => type ?? "GPU"));
  return shape.gpu_type ?? ([...new Set(types)].sort().join(", ") || "GPU");
}

/** `4G`, `512M`, `4096` as Slurm reads it. */
export function megabytes(text: string | null): number | null {
  const match = /^(\d+)([KMGT]?)$/.exec(text ?? "");
  if (match === null) return null;
  const factor = { K: 1 / 1024, M: 1, "": 1, G: 1024, T: 1024 * 1024 }[match[2] as "K"];
  return Math.max(1, Math.ceil(Number(match[1]) * (factor ?? 1)));
}
