/**
 * Experiments whose pool is not one of this server's any more: it was taken out of the file of pools, or renamed.
 *
 * What runs on its nodes goes on and is heard. But nobody launches the jobs of what has not started, looks at them or takes
 * them back, and no lease runs out where no runner has ever spoken: told to go, such an allocation would hold its trial
 * for good. So it ends when it is told to; until then it stays, because the pool may come back and finds its jobs again.
 */
import type { Logger } from "pino";
import type { ExperimentEvent } from "../core/lifecycle/experiment.ts";
import { untoldEnd } from "../core/lifecycle/trial.ts";
import type { LiveExperiment } from "./live-experiment.ts";

interface Pools {
  readonly pools: ReadonlyMap<string, unknown>;
}
interface Experiments extends Pools {
  readonly experiments: ReadonlyMap<number, LiveExperiment>;
}

/** What there is instead of a pool; undefined where it is there. */
export function missingPool({ pools }: Pools, pool: string): string | undefined {
  if (pools.has(pool)) return undefined;
  return `there is no pool ${pool} on this server any more; there are: ${[...pools.keys()].join(", ")}`;
}

export function warnOfMissingPools(world: Experiments, log: Pick<Logger, "warn">): void {
  const without = [...world.experiments.values()].filter(({ pool }) => !world.pools.has(pool));
  for (const [pool, of] of Map.groupBy(without, (live) => live.pool)) {
    const experiments = of.map(({ id }) => id);
    log.warn({ pool, experiments }, `${missingPool(world, pool)}; experiments that live need it`);
  }
}

/** Ends of what was told to go and never started. A job that its engine starts all the same finds nothing to do, and leaves. */
export function* endsWithoutPool(
  world: Experiments & { readonly runners: { has(id: string): boolean } },
): Generator<{ readonly live: LiveExperiment; readonly event: ExperimentEvent }> {
  for (const live of [...world.experiments.values()]) {
    const missing = missingPool(world, live.pool);
    if (missing === undefined) continue;
    for (const [trial, { run, runner, startedAtMs }] of [...live.allocations]) {
      const asked = live.x.trials.get(trial)?.allocation;
      if (!asked || (asked.yield === null && !asked.kill)) continue;
      if (startedAtMs !== null || world.runners.has(runner)) continue;
      const text = `it was told to go before anything of it ran, and ${missing}`;
      const end = { ...untoldEnd("processes", text), yielded: true };
      yield { live, event: { type: "exited", trial, run, end } };
    }
  }
}
