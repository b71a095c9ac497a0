/** Runners as the API shows them, and what their silence means for trials and slots. */
import type { LeaseLimits } from "../core/lease/lease.ts";
import type * as api from "../protocol/api.ts";
import type { LiveExperiment } from "./live-experiment.ts";
import type { LiveRunner } from "./live-runners.ts";
import { allocationsOf } from "./orders.ts";
import type { World } from "./world.ts";

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

export function runnerView(
  world: World,
  runner: LiveRunner,
  at: { readonly nowMs: number; readonly limits: LeaseLimits },
): api.Runner {
  const { id, lease, hearing } = runner;
  const slots = world.slots.filter((slot) => slot.runner === id);
  const lost = lease.standing === "lost";
  return {
    id,
    node: slots[0]?.node ?? null,
    state: stateOf(runner, at.limits),
    reason: lease.cause,
    since: new Date(lease.sinceMs).toISOString(),
    lease: lease.number,
    heard_at: iso(hearing.heardAtMs ?? runner.heardBeforeMs),
    lease_until: lost ? null : iso(at.nowMs + at.limits.leaseMs - hearing.unheardMs),
    alive_at: iso(runner.aliveAtMs),
    slots: slots.map((slot) => slot.id),
    allocations: allocationsOf(world, id),
  };
}

function stateOf({ lease, hearing }: LiveRunner, limits: LeaseLimits): api.Runner["state"] {
  if (lease.standing === "held") return "heard";
  if (lease.standing === "silent") return "silent";
  const heard = hearing.heardAtMs !== null && hearing.unheardMs < limits.silentMs;
  return heard ? "returning" : "lost";
}

/** Where the runner of this trial's allocation is silent: the flag that is shown beside its state. */
export function silenceOf(
  world: World,
  live: LiveExperiment,
  trial: number,
): api.Silence | undefined {
  const allocation = live.allocations.get(trial);
  if (!allocation || !world.runners.has(allocation.runner)) return undefined;
  const { id, lease, hearing, heardBeforeMs, aliveAtMs } = world.runners.get(allocation.runner);
  if (lease.standing !== "silent") return undefined;
  return {
    runner: id,
    since: new Date(lease.sinceMs).toISOString(),
    heard_at: iso(hearing.heardAtMs ?? heardBeforeMs),
    alive_at: iso(aliveAtMs),
  };
}
