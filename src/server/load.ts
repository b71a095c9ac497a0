/** Fills the world from the ledger: at the start, and after a commit that failed. */
import type { ExperimentConfig } from "../protocol/config/config.ts";
import type { StoredExperiment } from "../store/live-rows.ts";
import type { Ledger } from "./ledger.ts";
import { type LiveExperiment, revive } from "./live-experiment.ts";
import { toSettings } from "./translate.ts";
import type { World } from "./world.ts";

type Loads = Pick<Ledger, "load" | "counters">;

export async function loadWorld(world: World, ledger: Loads): Promise<void> {
  await loadCounters(world, ledger);
  for (const stored of await ledger.load()) world.adopt(liveFrom(stored));
}

/** What memory holds of these may be ahead of the database: take what is there. @param ids absent = all */
export async function reloadExperiments(
  world: World,
  ledger: Loads,
  ids?: readonly number[],
): Promise<void> {
  const found = await ledger.load(ids);
  await loadCounters(world, ledger);
  for (const id of ids ?? [...world.experiments.keys()]) world.release(id);
  for (const stored of found) if (stored.row.ended_at === null) world.adopt(liveFrom(stored));
  world.settled();
}

/** An experiment as the server held it when its rows were written. */
export function liveFrom(stored: StoredExperiment): LiveExperiment {
  const config = stored.row.config as unknown as ExperimentConfig;
  return revive(stored, toSettings(config, stored.row.search_spec));
}

async function loadCounters(world: World, ledger: Loads): Promise<void> {
  const last = await ledger.counters();
  world.nextExperiment = last.experiment + 1;
  world.nextTrial = last.trial + 1;
  world.nextAllocation = last.allocation + 1;
  // Versions that were handed out and never committed must not come again with another meaning.
  world.ordersVersion = Math.max(world.ordersVersion, last.ordersVersion) + 1;
  world.ordersDurable = Math.max(1, last.ordersVersion);
  world.endedAcked.clear();
  world.retention.load(last);
  world.endedLately.clear();
  world.runners.load(last.runners);
  world.clockSteps.load(last.clockSteps);
  world.metricNames.clear();
  world.nextMetricName = 1;
  for (const { id, name } of last.metricNames) {
    world.metricNames.set(name, id);
    world.nextMetricName = Math.max(world.nextMetricName, id + 1);
  }
}
