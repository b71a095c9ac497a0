/** What came of replays, and what they are judged by. */
import type pg from "pg";
import type { VerdictRow } from "./schema.ts";

/** All of them, the oldest first, without what they were made from. */
export async function allVerdicts(pool: pg.Pool): Promise<Omit<VerdictRow, "detail">[]> {
  const { rows } = await pool.query<Omit<VerdictRow, "detail">>(
    `select experiment_id, trial_number, at, replay_id, state, text, asked_by from verdicts
     order by at, experiment_id, trial_number`,
  );
  return rows;
}

/** The newest first. */
export async function verdictsOn(
  pool: pg.Pool,
  trial: { readonly experiment: number; readonly number: number },
  limit: number,
): Promise<VerdictRow[]> {
  const { rows } = await pool.query<VerdictRow>(
    `select * from verdicts where experiment_id = $1 and trial_number = $2 order by at desc limit $3`,
    [trial.experiment, trial.number, limit],
  );
  return rows;
}

export async function verdictOfReplay(
  pool: pg.Pool,
  replay: number,
): Promise<VerdictRow | undefined> {
  const { rows } = await pool.query<VerdictRow>("select * from verdicts where replay_id = $1", [
    replay,
  ]);
  return rows[0];
}

export interface PendingReplay {
  /** The experiment that repeats. */
  replay: number;
  experiment: number;
  trial: number;
  askedBy: string;
  ended: boolean;
}

/** Replays without a verdict. @param only this one */
export async function pendingReplays(pool: pg.Pool, only?: number): Promise<PendingReplay[]> {
  const { rows } = await pool.query<PendingReplay>(
    `select a.experiment_id as replay, a.parent_experiment as experiment, a.parent_trial as trial,
       u.name as "askedBy", e.ended_at is not null as ended
     from ancestry a join experiments e on e.id = a.experiment_id join users u on u.id = e.owner_id
     where a.kind = 'replay' and ($1::int is null or a.experiment_id = $1)
       and not exists (select from verdicts v where v.replay_id = a.experiment_id)
     order by a.experiment_id`,
    [only ?? null],
  );
  return rows;
}

/**
 * Whether retention was applied to what a replay repeats since the replay was made, or is still to be: only then may
 * checkpoints have stayed for it alone. What an import wrote down as retained is nobody's to go through unasked.
 */
export async function keptFor(
  pool: pg.Pool,
  { replay, experiment }: Pick<PendingReplay, "replay" | "experiment">,
): Promise<boolean> {
  const { rows } = await pool.query(
    `select from retained r join experiments e on e.id = $1
     where r.experiment_id = $2 and r.at < e.created_at`,
    [replay, experiment],
  );
  return rows.length === 0;
}

/** One checkpoint of a trial, whether its bytes are there or not. */
export interface SavedPlace {
  readonly step: number;
  readonly run: number;
  readonly tree: string;
  /** Why its bytes went; null while they are there. */
  readonly gone: string | null;
}

/** By step, of one step the last run's first. */
export async function savedPlaces(pool: pg.Pool, trialId: number): Promise<SavedPlace[]> {
  const { rows } = await pool.query<SavedPlace>(
    `select step, run, tree, case when deleted_at is null then null else coalesce(deleted_why, '') end as gone
     from checkpoints where trial_id = $1 order by step, run desc, created_at desc`,
    [trialId],
  );
  return rows;
}

/** Checkpoints of this experiment that others go on from. */
export async function startTrees(pool: pg.Pool, experiment: number): Promise<string[]> {
  const { rows } = await pool.query<{ tree: string }>(
    `select distinct c.tree from trials t join checkpoints c on c.trial_id = t.id and c.deleted_at is null
     where t.experiment_id = $1 and exists (select 1 from experiments e
       where e.config #>> '{searcher,source_checkpoint_uuid}' = c.tree and not exists
         (select 1 from experiment_marks m where m.experiment_id = e.id and m.purged_at is not null))`,
    [experiment],
  );
  return rows.map(({ tree }) => tree);
}

/** Snapshots of trials of this experiment that a replay without a verdict is to be compared with. */
export async function awaitedTrees(pool: pg.Pool, experiment: number): Promise<string[]> {
  const { rows } = await pool.query<{ tree: string }>(
    `select distinct c.tree from ancestry a
     join trials t on t.experiment_id = a.parent_experiment and t.number = a.parent_trial
     join checkpoints c on c.trial_id = t.id and c.deleted_at is null
     where a.parent_experiment = $1 and a.kind = 'replay'
       and not exists (select from verdicts v where v.replay_id = a.experiment_id)
       and not exists
         (select from experiment_marks m where m.experiment_id = a.experiment_id and m.purged_at is not null)`,
    [experiment],
  );
  return rows.map(({ tree }) => tree);
}

/**
 * Experiments, not purged, with snapshots that this one goes on from or, as a replay, is compared with. Not those that were
 * imported and to which retention was never applied here: what came along is nobody's to go through unasked.
 */
export async function heldBy(pool: pg.Pool, experiment: number): Promise<number[]> {
  const { rows } = await pool.query<{ id: number }>(
    `select of.id from (
       select t.experiment_id as id from experiments e
       join checkpoints c on c.tree = e.config #>> '{searcher,source_checkpoint_uuid}' and c.deleted_at is null
       join trials t on t.id = c.trial_id where e.id = $1
       union
       select parent_experiment from ancestry
       where experiment_id = $1 and kind = 'replay' and parent_experiment is not null) of
     where not exists
       (select from experiment_marks m where m.experiment_id = of.id and m.purged_at is not null)
     and not exists (select from imports i join retained r on r.experiment_id = i.experiment_id
       where i.experiment_id = of.id and r.at <= i.done_at)
     order by of.id`,
    [experiment],
  );
  return rows.map(({ id }) => id);
}
