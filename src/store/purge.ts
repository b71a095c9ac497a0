/**
 * Deletes what an experiment left behind, once there is no way back: what was measured, printed, saved and decided, a part
 * at a time, so that no statement takes long. Its row and those of its trials and allocations stay, because the log of
 * changes speaks of them and their numbers must never be given to others.
 */
import type pg from "pg";
import { dropUnusedEnvironments } from "./record-store.ts";

const ROWS_AT_ONCE = 20_000;

const TABLES = [
  ["values of metrics", "metrics", "trial_id in (select id from trials where experiment_id = $1)"],
  ["reports", "reports", "trial_id in (select id from trials where experiment_id = $1)"],
  ["lines of output", "logs", "experiment_id = $1"],
  [
    "files of deleted checkpoints",
    "past_tree_blobs",
    `tree in (select c.tree from checkpoints c join trials t on t.id = c.trial_id where t.experiment_id = $1)
     and not exists (select 1 from checkpoints o join trials t on t.id = o.trial_id
       where o.tree = past_tree_blobs.tree and t.experiment_id <> $1)`,
  ],
  ["checkpoints", "checkpoints", "trial_id in (select id from trials where experiment_id = $1)"],
  ["decisions", "decisions", "experiment_id = $1"],
  ["search events", "search_events", "experiment_id = $1"],
  ["records of an import", "imports", "experiment_id = $1"],
  ["pins", "pins", "experiment_id = $1"],
  ["parts of records", "records", "experiment_id = $1"],
] as const;

/** May be cut off and called again. @param told after each part @returns what was deleted, as a sentence */
export async function emptyExperiment(
  pool: pg.Pool,
  experiment: number,
  told: () => void = () => undefined,
): Promise<string> {
  const counts: string[] = [];
  for (const [words, table, where] of TABLES) {
    let count = 0;
    for (;;) {
      const { rowCount } = await pool.query(
        `delete from ${table} where ctid = any(array(select ctid from ${table} where ${where} limit ${ROWS_AT_ONCE}))`,
        [experiment],
      );
      count += rowCount ?? 0;
      told();
      if ((rowCount ?? 0) < ROWS_AT_ONCE) break;
    }
    if (count > 0) counts.push(`${count} ${words}`);
  }
  await dropUnusedEnvironments(pool);
  return counts.join(", ") || "none that were left";
}
