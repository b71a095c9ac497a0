/** Rows with everything that has to be there, for tests of reading; the test adds what it is about. */
import type pg from "pg";

const AT = "2026-01-05T00:00:00Z";
export const EXPERIMENT = {
  ...{ id: 1, name: "", labels: [], workspace: "", project: "", owner_id: 1, state: "active" },
  ...{ reason: "", config: {}, config_text: "", data: {}, seed: 0, provenance: {}, plan: {} },
  ...{ searcher_reason: "", search_spec: {}, search_state: {}, search_events: 0, core: {} },
  ...{ progress: 0, steps: 0, slot_ms: 0, created_at: AT },
};
export const TRIAL = {
  ...{ experiment_id: 1, state: "running", reason: "", hyperparameters: {}, seed: 0, bracket: 0 },
  ...{ step: 0, restarts: 0, core: {}, slot_ms: 0, refused_metrics: {}, created_at: AT },
};
export const ALLOCATION = {
  ...{ experiment_id: 1, runner: "local", slots: [], state: "ended", kill: false, acked: 0 },
  ...{ orders_reason: "", orders_version: 1, reason: "", created_at: AT },
};

/** @param rows all with the columns of the first */
export async function insertRows(
  pool: pg.Pool,
  table: string,
  rows: readonly object[],
): Promise<void> {
  const columns = Object.keys(rows[0] ?? {}).join(", ");
  await pool.query(
    `insert into ${table} (${columns}) select ${columns} from json_populate_recordset(null::${table}, $1)`,
    [JSON.stringify(rows)],
  );
}
