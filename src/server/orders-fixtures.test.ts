/** A world with an experiment in it, and no database: the caller says when a turn is durable. */
import assert from "node:assert/strict";
import type { JsonObject } from "../base/json.ts";
import { checkConfigValue } from "../protocol/config/config.ts";
import { ordersFor } from "./orders.ts";
import { toLaunchSettings, toSearch, toSettings } from "./translate.ts";
import { LOCAL_RUNNER, type PoolInfo, type Turn, World } from "./world.ts";

/** A world of two slots; the caller says when a turn is durable. */
export function worldWith(more: object = {}, ofPool: Partial<PoolInfo> = {}) {
  const slots = ["cpu:0", "cpu:1"].map((id) => ({
    ...{
      id,
      kind: "cpu" as const,
      runner: "local",
      node: "here",
      pool: "default",
      description: "a core",
    },
  }));
  const pool = { name: "default", engine: "local", jobs: false, perJob: null, defaults: {} };
  const world = new World(slots, 0, [{ ...pool, ...ofPool }]);
  const create = (turn: Turn) => {
    const reading = checkConfigValue({
      ...{ entrypoint: "train", hyperparameters: { x: { type: "int", minval: 1, maxval: 9 } } },
      ...{ searcher: { name: "random", metric: "loss", max_length: 4, max_trials: 3 } },
      ...more,
    });
    assert.ok(reading.ok);
    const { search, reason } = toSearch(reading.config, 1);
    const config = reading.config as unknown as JsonObject;
    return world.create(
      turn,
      {
        ...{ name: "n", description: null, labels: [], workspace: "w", project: "p", owner_id: 1 },
        ...{ owner: "ada", config, config_text: "", data: {}, seed: 1, code: null },
        ...{ provenance: {}, plan: {}, searcher_reason: reason, search_spec: search, progress: 0 },
        ...{ best_trial: null, best_step: null, best_objective: null, steps: 0, slot_ms: 0 },
        ...{ created_at: new Date(turn.nowMs), started_at: null, ended_at: null },
      },
      toSettings(reading.config, search),
      { paused: false, actor: "ada" },
    );
  };
  const heard = (after: number) => {
    const context = { world, launchSettings: toLaunchSettings, allocationToken: () => "t" };
    const { orders, ordersVersion } = ordersFor(context, LOCAL_RUNNER, after);
    return { ids: orders.map(({ id }) => id), ordersVersion, orders };
  };
  return { world, create, heard };
}
