/**
 * The slots of this machine: its NVIDIA GPUs when there are any, otherwise one share per core.
 *
 * GPUs are numbered as nvidia-smi does, by bus id; the runner sets CUDA_DEVICE_ORDER so that CUDA
 * counts the same way. A CUDA_VISIBLE_DEVICES around the server is respected: what was kept from
 * the server is not ours to give.
 */
import { CapacityUnknown, type Slot } from "../engine.ts";
import type { GpuAnswer } from "./nvidia-smi.ts";

export interface SlotFacts {
  readonly gpus: GpuAnswer;
  /** Cores that this process may use. */
  readonly cores: number;
  /** CUDA_VISIBLE_DEVICES around the server. */
  readonly visibleDevices?: string | undefined;
  /** `--slots N`. */
  readonly override?: number | undefined;
}

export interface SlotChoice {
  readonly slots: readonly Slot[];
  readonly reason: string;
}

/** Decides which slots there are. `override` is a whole number from 1. @throws CapacityUnknown */
export function chooseSlots(facts: SlotFacts): SlotChoice {
  const { override, cores } = facts;
  if ("unknown" in facts.gpus && override === undefined)
    throw new CapacityUnknown(
      `capacity_unknown: whether this machine has GPUs cannot be told: ${facts.gpus.unknown}. Put that right, or say how many slots ` +
        "there are with --slots N or slots in pools.yaml: they are shares of its cores then.",
    );
  const list = "list" in facts.gpus ? facts.gpus.list : "";
  const gpus = visible(parseNvidiaSmi(list), facts.visibleDevices);
  if (override !== undefined && override <= gpus.length)
    return {
      slots: gpus.slice(0, override),
      reason: `--slots ${override}: that many of ${gpus.length} GPUs`,
    };
  if (override !== undefined) {
    const aside =
      gpus.length > 0
        ? `; there are only ${gpus.length} GPUs, so trials do not see them`
        : "unknown" in facts.gpus
          ? `; ${facts.gpus.unknown}, so trials see no GPU`
          : "";
    return {
      slots: cpuSlots(override),
      reason: `--slots ${override}: shares of ${cores} cores${aside}`,
    };
  }
  if (gpus.length > 0) return { slots: gpus, reason: `${gpus.length} NVIDIA GPUs` };
  return { slots: cpuSlots(cores), reason: `no NVIDIA GPU; one slot for each of ${cores} cores` };
}

const cpuSlots = (count: number): Slot[] =>
  Array.from({ length: count }, (_, index) => ({
    id: `cpu:${index}`,
    kind: "cpu",
    name: "CPU share",
    memoryBytes: null,
    device: null,
  }));

/** One line a device: `0, GPU-5c0…, NVIDIA H100 80GB HBM3, 81559 MiB`. Other lines are not devices. */
export function parseNvidiaSmi(text: string): Slot[] {
  const slots: Slot[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*(\d+)\s*,\s*([^,]+?)\s*,\s*(.+?)\s*,\s*(?:(\d+)\s*MiB|[^,]*)\s*$/.exec(line);
    if (match === null) continue;
    const [, index, device, name, mebibytes] = match;
    slots.push({
      id: `gpu:${index}`,
      kind: "gpu",
      name: name!,
      memoryBytes: mebibytes === undefined ? null : Number(mebibytes) * 1024 * 1024,
      device: device!,
    });
  }
  return slots;
}

/** CUDA's own rule: a list of indexes or of beginnings of UUIDs, up to the first that names nothing. */
function visible(slots: readonly Slot[], list: string | undefined): Slot[] {
  if (list === undefined) return [...slots];
  const chosen: Slot[] = [];
  for (const name of list.split(",").map((part) => part.trim())) {
    const slot = slots.find(
      (s) => s.id === `gpu:${name}` || (name.startsWith("GPU-") && s.device?.startsWith(name)),
    );
    if (slot === undefined || chosen.includes(slot)) break;
    chosen.push(slot);
  }
  return chosen.sort((a, b) => slots.indexOf(a) - slots.indexOf(b));
}
