/**
 * What runners are told: for each allocation where it should be, in absolute terms, with a version that says
 * what is news. Built from the world on request, so there is nothing to lose and nothing to get out of step.
 */
import type { Json, JsonObject } from "../base/json.ts";
import { UNBOUNDED_STEPS } from "../core/search/search.ts";
import type { AllocationOrders, ContainerLaunch, LaunchSpec } from "../protocol/runner-wire.ts";
import type { LiveAllocation, LiveExperiment } from "./live-experiment.ts";
import { addUntil } from "./subscribers.ts";
import type { World } from "./world.ts";

/** From the resolved configuration: what a program needs to be started. */
export interface LaunchSettings {
  readonly entrypoint: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** What it is to run in, by what its slots are; null = a process of the node. */
  readonly container: (kind: "cpu" | "cuda") => ContainerLaunch | null;
  /** Hash of the environment that it is to find; null = whatever is there. */
  readonly rebuild: string | null;
  /** Hash of the environment without which nothing is started; null = any will do. */
  readonly require: string | null;
  readonly yieldGraceMs: number;
  /** undefined = none */
  readonly progressDeadlineMs: number | undefined;
  /** null = an ordinary trial. */
  readonly task: NonNullable<LaunchSpec["task"]> | null;
  /** Where a checkpoint is saved in any case. */
  readonly checkpointSteps: readonly number[];
}

export interface OrdersContext {
  readonly world: World;
  readonly launchSettings: (config: JsonObject) => LaunchSettings;
  /** The token that speaks for one allocation alone. */
  readonly allocationToken: (allocation: string) => string;
}

export const KILL_GRACE_MS = 10_000;

/**
 * Everything newer than `after` that this runner should know, and the version to ask with next time.
 *
 * Orders that are still being committed are left for the next time, and so is everything behind the orders that they
 * replace, where the runner has not heard those: if the commit fails they hold again under their old version, which
 * must not have been passed by then. The same goes for the orders of allocations that are just being given up.
 */
export function ordersFor(
  context: OrdersContext,
  runner: string,
  after: number,
): { orders: AllocationOrders[]; ordersVersion: number } {
  const { world } = context;
  const newer: { live: LiveExperiment; number: number; allocation: LiveAllocation }[] = [];
  let limit = world.ordersDurable;
  for (const live of world.experiments.values())
    for (const [number, allocation] of live.allocations) {
      if (allocation.runner !== runner || allocation.ordersVersion <= after) continue;
      newer.push({ live, number, allocation });
      const { ordersVersion, ordersBefore } = allocation;
      if (ordersVersion > world.ordersDurable && ordersBefore > after)
        limit = Math.min(limit, ordersBefore - 1);
    }
  limit = Math.min(limit, (world.heldByTurn(runner, after) ?? Infinity) - 1);
  const orders = newer
    .filter(({ allocation }) => allocation.ordersVersion <= limit)
    .map(({ live, number, allocation }) => orderFor(context, live, number, allocation));
  orders.sort((a, b) => a.version - b.version);
  return { orders, ordersVersion: limit };
}

/** Ids of all allocations that this runner should have. */
export function allocationsOf(world: World, runner: string): string[] {
  const ids: string[] = [];
  for (const live of world.experiments.values())
    for (const [number, allocation] of live.allocations)
      if (allocation.runner === runner) ids.push(`${live.id}.${number}.${allocation.run}`);
  return ids;
}

function orderFor(
  context: OrdersContext,
  live: LiveExperiment,
  number: number,
  allocation: LiveAllocation,
): AllocationOrders {
  const trial = live.x.trials.get(number);
  const state = trial?.allocation;
  return {
    id: `${live.id}.${number}.${allocation.run}`,
    fence: allocation.run,
    version: allocation.ordersVersion,
    target: trial?.target ?? null,
    yield: state?.yield ?? null,
    kill: state?.kill ?? false,
    reason: allocation.ordersReason,
    launch: allocation.startedAtMs === null ? launchSpec(context, live, number, allocation) : null,
  };
}

function launchSpec(
  context: OrdersContext,
  live: LiveExperiment,
  number: number,
  allocation: LiveAllocation,
): LaunchSpec {
  const trial = live.x.trials.get(number);
  const settings = context.launchSettings(live.row.config);
  const id = `${live.id}.${number}.${allocation.run}`;
  const isGpu = context.world.slots.some(
    ({ id, kind }) => kind === "gpu" && allocation.slots.includes(id),
  );
  const coresPerSlot = context.world.pools.get(live.pool)?.coresPerSlot;
  const container = settings.container(isGpu ? "cuda" : "cpu");
  return {
    experiment: live.id,
    trial: `${live.id}.${number}`,
    allocation: id,
    slots: allocation.slots.map(onNode),
    // A task is one program, which has all its slots.
    ranks: settings.task === null ? live.x.spec.slotsPerTrial : 1,
    ...(coresPerSlot === undefined ? {} : { coresPerSlot }),
    entrypoint: [...settings.entrypoint],
    code: live.row.code,
    data: dataOf(live.row.data),
    environment: { ...settings.environment },
    ...(container === null ? {} : { container }),
    ...(settings.rebuild === null ? {} : { rebuild: settings.rebuild }),
    ...(settings.require === null ? {} : { require: settings.require }),
    params: (trial?.hyperparameters ?? {}) as LaunchSpec["params"],
    seed: trial?.seed ?? 0,
    unit: live.unit,
    ...(isOpenEnded(live) ? { openEnded: true } : {}),
    ...(settings.checkpointSteps.length > 0
      ? { checkpointSteps: [...settings.checkpointSteps] }
      : {}),
    restore:
      allocation.restoreTree === null
        ? null
        : { step: allocation.startStep, tree: allocation.restoreTree },
    token: context.allocationToken(id),
    killGraceMs: KILL_GRACE_MS,
    yieldGraceMs: settings.yieldGraceMs,
    ...(settings.progressDeadlineMs === undefined
      ? {}
      : { progressDeadlineMs: settings.progressDeadlineMs }),
    ...(settings.task === null ? {} : { task: settings.task }),
  };
}

/** As its node calls it: without the pool, whose name it carries among the slots of the others. */
const onNode = (slot: string): string => slot.slice(slot.lastIndexOf("/") + 1);

/** Has nobody said how far to train? Where a metric tells the time, the search will stop the trial. */
const isOpenEnded = ({ x: { spec } }: LiveExperiment): boolean =>
  spec.timeMetric === null && spec.search.method.stepsMax >= UNBOUNDED_STEPS;

/** The record also knows the name of the dataset; the program is told what lies in its folder. */
function dataOf(resolved: JsonObject): LaunchSpec["data"] {
  const entries = Object.entries(
    resolved as Record<string, { snapshot: string; kind?: string } | { value: Json }>,
  );
  return Object.fromEntries(
    entries.map(([name, item]) => {
      if (!("snapshot" in item)) return [name, { value: item.value }];
      const { snapshot, kind } = item;
      return [name, kind === undefined ? { snapshot } : { reference: snapshot }];
    }),
  ) as LaunchSpec["data"];
}

/** Runners that hold a long poll open are woken when something of theirs was committed. */
export class OrderWaiters {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** @returns a function that gives up waiting */
  wait(runner: string, wake: () => void): () => void {
    // Nothing stays of who gives up: a job's runner has a name of its own, which nobody uses again.
    return addUntil(this.#waiting, runner, wake);
  }

  /** How many runners wait. */
  get size(): number {
    return this.#waiting.size;
  }

  wake(runners: ReadonlySet<string>): void {
    for (const runner of runners) {
      const set = this.#waiting.get(runner);
      if (!set) continue;
      this.#waiting.delete(runner);
      for (const wake of set) wake();
    }
  }

  wakeAll(): void {
    this.wake(new Set(this.#waiting.keys()));
  }
}
