import type pg from "pg";
import type { CheckpointRow } from "./schema.ts";

export interface CheckpointListRow extends CheckpointRow {
  experiment_id: number;
  number: number;
  /** The searcher's metric at the same step of the same run. */
  objective: number | null;
  pinned: boolean;
}

export interface CheckpointsFilter {
  readonly experiment: number;
  readonly trial?: number | undefined;
  readonly metric: string;
  readonly tree?: string | undefined;
  readonly after?: CheckpointPlace | undefined;
  readonly limit: number;
}

/** Where a page ended. */
export interface CheckpointPlace {
  readonly number: number;
  readonly step: number;
  readonly run: number;
  readonly tree: string;
}

/** By trial, then newest step first. */
export async function listCheckpoints(
  pool: pg.Pool,
  filter: CheckpointsFilter,
): Promise<CheckpointListRow[]> {
  const { rows } = await pool.query<CheckpointListRow>(
    `select c.*, t.experiment_id, t.number,
       (select m.value from metrics m join metric_names n on n.id = m.name_id
        where m.trial_id = c.trial_id and n.name = $3 and m.step = c.step and m.run = c.run
        order by m.seq desc limit 1) as objective,
       exists (select 1 from pins p where p.experiment_id = t.experiment_id and p.tree = c.tree
         and p.pinned) as pinned
     from checkpoints c join trials t on t.id = c.trial_id
     where t.experiment_id = $1 and ($2::int is null or t.number = $2)
       and ($4::text is null or c.tree = $4)
       and ($5::int is null or t.number > $5 or (t.number = $5 and
         (c.step < $6::bigint or (c.step = $6 and (c.run < $7::int or (c.run = $7 and c.tree > $8))))))
     order by t.number, c.step desc, c.run desc, c.tree limit $9`,
    [
      ...[filter.experiment, filter.trial ?? null, filter.metric, filter.tree ?? null],
      ...[filter.after?.number ?? null, filter.after?.step ?? null, filter.after?.run ?? null],
      ...[filter.after?.tree ?? "", filter.limit],
    ],
  );
  return rows;
}

export interface CheckpointPlaceFound {
  experiment: number;
  trial: number;
  step: number;
  run: number;
  deletedAt: Date | null;
  deletedWhy: string | null;
}

/** Where this tree was saved; the first place when there are several, before all others one whose bytes are there. */
export async function findCheckpoint(
  pool: pg.Pool,
  tree: string,
): Promise<CheckpointPlaceFound | undefined> {
  const { rows } = await pool.query(
    `select t.experiment_id as experiment, t.number as trial, c.step, c.run,
       c.deleted_at as "deletedAt", c.deleted_why as "deletedWhy"
     from checkpoints c join trials t on t.id = c.trial_id
     where c.tree = $1 order by c.deleted_at is not null, c.created_at limit 1`,
    [tree],
  );
  return rows[0];
}

/** Experiments in which this tree was saved and is there. @param only of this one */
export async function experimentsWith(
  pool: pg.Pool,
  tree: string,
  only?: number,
): Promise<{ experiment: number; trial: number; step: number; isThere: boolean }[]> {
  const { rows } = await pool.query(
    `select distinct on (t.experiment_id) t.experiment_id as experiment, t.number as trial, c.step,
       c.deleted_at is null as "isThere"
     from checkpoints c join trials t on t.id = c.trial_id
     where c.tree = $1 and ($2::int is null or t.experiment_id = $2)
     order by t.experiment_id, c.deleted_at is not null, c.created_at`,
    [tree, only ?? null],
  );
  return rows;
}
