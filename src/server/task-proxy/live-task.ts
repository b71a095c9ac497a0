/** Which programs may be spoken to: tasks that serve, by the allocation that runs now. Nothing else has an address. */
import type { World } from "../world.ts";

export type ServingKind = "shell" | "notebook";

export interface LiveTask {
  readonly experiment: number;
  readonly kind: ServingKind;
  readonly allocation: string;
  readonly runner: string;
  /** Its processes were started. */
  readonly started: boolean;
}

/** @returns undefined for what does not serve, and for what has no allocation now */
export function liveTask(world: World, experiment: number): LiveTask | undefined {
  const live = world.experiments.get(experiment);
  if (live === undefined) return undefined;
  const kind = servingKind(live.row.config);
  const [entry] = live.allocations;
  if (kind === undefined || entry === undefined) return undefined;
  const [trial, { run, runner, startedAtMs }] = entry;
  return {
    ...{ experiment, kind, runner, started: startedAtMs !== null },
    allocation: `${experiment}.${trial}.${run}`,
  };
}

/** @param config resolved, as it is stored */
export function servingKind(config: { readonly task?: unknown }): ServingKind | undefined {
  const kind = (config.task as { readonly kind?: unknown } | null | undefined)?.kind;
  return kind === "shell" || kind === "notebook" ? kind : undefined;
}

/** Whether this very allocation runs now, as a task that serves. */
export const servesNow = (world: World, allocation: string): boolean =>
  liveTask(world, Number(allocation.split(".")[0]))?.allocation === allocation;
