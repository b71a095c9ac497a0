import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import { listExperiments, readExperiment } from "../store/experiment-reads.ts";
import { readProgress } from "../store/history-reads.ts";
import type { Database } from "../store/schema.ts";
import { withTestDatabase } from "../store/test-database.ts";
import { ALLOCATION, EXPERIMENT, insertRows, TRIAL } from "../store/test-rows.ts";
import { experimentView } from "./views.ts";

const BEGAN_MS = Date.parse(EXPERIMENT.created_at);
const at = (seconds: number): Date => new Date(BEGAN_MS + seconds * 1000);
const config = {
  ...{ searcher: { time_metric: null, max_length: null, metric: null }, task: null },
  budget: { money: { max: 9, per_slot_hour: 3600, currency: "EUR" } },
};

/**
 * Two slots since the beginning, one since 10 seconds later, and one that was given back; and of jobs two slots in use since
 * 10 seconds later, and two that are not in use yet.
 */
async function fill(pool: pg.Pool): Promise<void> {
  await pool.query("insert into users (name, created_at) values ('ada', now())");
  const search_spec = { method: { name: "random" } };
  const experiment = { ...EXPERIMENT, config, search_spec, started_at: at(0) };
  await insertRows(pool, "experiments", [experiment]);
  await insertRows(pool, "trials", [{ ...TRIAL, id: 1, number: 1 }]);
  const grants = [
    { slots: ["cpu:0", "cpu:1"], created_at: at(0), state: "running" },
    { slots: ["cpu:2"], created_at: at(10), state: "assigned" },
    { slots: ["cpu:3"], created_at: at(0), state: "ended", ended_at: at(0) },
    { slots: ["j:0", "j:1"], created_at: at(0), started_at: at(10), runner: "slurm.1.1.4" },
    { slots: ["j:2", "j:3"], created_at: at(0), state: "assigned", runner: "slurm.1.1.5" },
  ].map((grant, i) => ({
    ...{ id: i + 1, run: i + 1, trial_number: 1, start_step: 0, state: "running" },
    ...{ runner: "local", started_at: null, ended_at: null, ...grant },
  }));
  await insertRows(
    pool,
    "allocations",
    grants.map((grant) => ({ ...ALLOCATION, ...grant })),
  );
}

test("what an experiment spends is counted by the server's clock, and is never less than nothing", async () => {
  const database = await withTestDatabase<Database>();
  const { pool } = database;
  try {
    await fill(pool);
    const one = await readExperiment(pool, 1);
    const [listed] = await listExperiments(pool, {
      ...{ show: "current", sort: { word: "id", descending: false }, limit: 1 },
    });
    for (const row of [one, listed]) {
      assert.ok(row);
      const spent = (seconds: number) => {
        const view = experimentView(row, at(seconds), { ofExperiment: () => null });
        return [view.spent.seconds, view.spent.slot_seconds, view.spent.money?.amount];
      };
      assert.deepEqual(spent(4), [4, 8, 8]);
      assert.deepEqual(spent(14), [14, 40, 40]);
      assert.deepEqual(spent(-600), [0, 0, 0]);
    }
    await insertRows(pool, "reports", [{ trial_id: 1, run: 1, seq: 1, step: 1, at: at(14) }]);
    await insertRows(pool, "metric_names", [{ id: 1, name: "loss" }]);
    const value = { trial_id: 1, name_id: 1, step: 1, run: 1, seq: 1, value: 0.5 };
    await insertRows(pool, "metrics", [value]);
    const [improved] = await readProgress(pool, {
      ...{ experiment: 1, metric: "loss", smallerIsBetter: true, pointsMax: 9 },
    });
    assert.equal(improved?.slot_seconds, 40, "the chart says the same of that time");
  } finally {
    await database.drop();
  }
});
