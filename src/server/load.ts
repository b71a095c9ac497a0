/** Fills the world from the database: at the start, and after a commit that failed. */
import type pg from "pg";
import type { ExperimentConfig } from "../protocol/config/config.ts";
import { loadExperiments } from "../store/live-rows.ts";
import { revive } from "./live-experiment.ts";
import { toSettings } from "./translate.ts";
import type { World } from "./world.ts";

export async function loadWorld(world: World, pool: pg.Pool): Promise<void> {
  await loadCounters(world, pool);
  for (const stored of await loadExperiments(pool))
    world.adopt(
      revive(
        stored,
        toSettings(stored.row.config as unknown as ExperimentConfig, stored.row.search_spec),
      ),
    );
}

/** What memory holds of these may be ahead of the database: take what is there. */
export async function reloadExperiments(
  world: World,
  pool: pg.Pool,
  ids: readonly number[],
): Promise<void> {
  const found = await loadExperiments(pool, ids);
  await loadCounters(world, pool);
  for (const id of ids) world.release(id);
  for (const stored of found) {
    if (stored.row.ended_at !== null) continue;
    world.adopt(
      revive(
        stored,
        toSettings(stored.row.config as unknown as ExperimentConfig, stored.row.search_spec),
      ),
    );
  }
}

async function loadCounters(world: World, pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{
    experiment: number;
    trial: number;
    allocation: number;
    orders: number;
  }>(
    `select coalesce((select max(id) from experiments), 0) as experiment,
      coalesce((select max(id) from trials), 0) as trial,
      coalesce((select max(id) from allocations), 0) as allocation,
      coalesce((select max(orders_version) from allocations), 0) as orders`,
  );
  const last = rows[0];
  if (last) {
    world.nextExperiment = last.experiment + 1;
    world.nextTrial = last.trial + 1;
    world.nextAllocation = last.allocation + 1;
    // Versions that were handed out and never committed must not come again with another meaning.
    world.ordersVersion = Math.max(world.ordersVersion, last.orders) + 1;
    world.ordersDurable = Math.max(1, last.orders);
  }
  const names = await pool.query<{ id: number; name: string }>("select id, name from metric_names");
  world.metricNames.clear();
  world.nextMetricName = 1;
  for (const { id, name } of names.rows) {
    world.metricNames.set(name, id);
    world.nextMetricName = Math.max(world.nextMetricName, id + 1);
  }
}
