/** Where experiments come from, and what came of them. */
import type pg from "pg";
import type { AncestryRow } from "./schema.ts";

export async function readAncestry(
  pool: pg.Pool,
  experiment: number,
): Promise<AncestryRow | undefined> {
  const { rows } = await pool.query<AncestryRow>(
    "select * from ancestry where experiment_id = $1",
    [experiment],
  );
  return rows[0];
}

export interface DescendantRow extends AncestryRow {
  name: string;
  state: string;
}

/** What was made of it, the newest first; those that were deleted for good are left out. */
export async function listDescendants(
  pool: pg.Pool,
  experiment: number,
  limit: number,
): Promise<{ rows: DescendantRow[]; total: number }> {
  const { rows } = await pool.query<DescendantRow & { total: number }>(
    `select a.*, e.name, e.state, count(*) over ()::int as total
     from ancestry a join experiments e on e.id = a.experiment_id
     left join experiment_marks k on k.experiment_id = e.id
     where a.parent_experiment = $1 and k.purged_at is null
     order by a.experiment_id desc limit $2`,
    [experiment, limit],
  );
  return { rows, total: rows[0]?.total ?? 0 };
}
