/** The neighbours of things in the record, many at a time. What was purged is not there any more. */
import type { Queryable } from "./audit-reads.ts";
import { NAMES_OF_VERSION, readsSnapshot, VERSION_OF_ITEM } from "./dataset-store.ts";

export interface LineageExperiment {
  readonly id: number;
  readonly name: string;
  readonly state: string;
  readonly code: string | null;
  /** The checkpoint that it goes on from. */
  readonly start: string | null;
  /** Its datasets with the name under which it reads each: `name@version`, or of what is no version here the snapshot. */
  readonly datasets: readonly { readonly as: string; readonly dataset: string }[];
  readonly best: number | null;
  readonly at: Date;
}

export interface LineageStep {
  readonly experiment: number;
  readonly kind: "fork" | "replay" | "copy" | "import";
  readonly parent: number | null;
  readonly trial: number | null;
  readonly overrides: readonly { readonly path: string }[];
}

const NOT_PURGED = `not exists (select from experiment_marks k where k.experiment_id = e.id and k.purged_at is not null)`;

export async function lineageExperiments(
  db: Queryable,
  ids: readonly number[],
): Promise<LineageExperiment[]> {
  const { rows } = await db.query<LineageExperiment>(
    `select e.id, e.name, e.state, e.code, e.config #>> '{searcher,source_checkpoint_uuid}' as start,
       coalesce((select jsonb_agg(jsonb_build_object('as', k, 'dataset',
           coalesce(${VERSION_OF_ITEM}, v->>'snapshot')) order by k)
         from jsonb_each(e.data) as each(k, v) where v->>'snapshot' ~ '^[0-9a-f]{64}$'), '[]') as datasets,
       e.best_trial as best, e.created_at as at
     from experiments e where e.id = any($1) and ${NOT_PURGED}`,
    [ids],
  );
  return rows;
}

/** Where these come from, and what came of them. */
export async function lineageSteps(db: Queryable, ids: readonly number[]): Promise<LineageStep[]> {
  const { rows } = await db.query<LineageStep>(
    `select a.experiment_id as experiment, a.kind, a.parent_experiment as parent, a.parent_trial as trial, a.overrides
     from ancestry a join experiments e on e.id = a.experiment_id
     where (a.experiment_id = any($1) or a.parent_experiment = any($1)) and ${NOT_PURGED}
     order by a.experiment_id`,
    [ids],
  );
  return rows;
}

/** @returns experiment ids by what they used, the newest first */
export async function usersOfCode(db: Queryable, tree: string, limit: number): Promise<Used> {
  return used(db, `e.code = $1`, [tree], limit);
}

export async function usersOfDataset(
  db: Queryable,
  { reference, snapshot }: { readonly reference: string; readonly snapshot: string },
  limit: number,
): Promise<Used> {
  const where = `e.data @? $3::jsonpath and ${NAMES_OF_VERSION} <> '{}'`;
  return used(db, where, [reference, snapshot, readsSnapshot(snapshot)], limit);
}

/** Those that read data that is no version here. */
export async function usersOfSnapshot(
  db: Queryable,
  snapshot: string,
  limit: number,
): Promise<Used> {
  return used(db, `e.data @? $1::jsonpath`, [readsSnapshot(snapshot)], limit);
}

/** What experiments that came from elsewhere call data that is no version here, by its snapshot. */
export async function foreignNames(
  db: Queryable,
  snapshots: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await db.query<{ snapshot: string; name: string }>(
    `select s.snapshot, min(coalesce(v->>'dataset', k)) as name from unnest($1::text[], $2::text[]) as s(snapshot, path)
     join experiments e on e.data @? s.path::jsonpath, jsonb_each(e.data) as each(k, v)
     where v->>'snapshot' = s.snapshot and ${NOT_PURGED}
       and not exists (select from datasets d where d.snapshot = s.snapshot)
     group by 1`,
    [snapshots, snapshots.map(readsSnapshot)],
  );
  return new Map(rows.map(({ snapshot, name }) => [snapshot, name]));
}

/** Those that go on from a checkpoint. */
export async function startedFrom(db: Queryable, tree: string, limit: number): Promise<Used> {
  return used(db, `e.config #>> '{searcher,source_checkpoint_uuid}' = $1`, [tree], limit);
}

export interface Used {
  readonly ids: readonly number[];
  readonly total: number;
}

async function used(
  db: Queryable,
  where: string,
  values: readonly unknown[],
  limit: number,
): Promise<Used> {
  const { rows } = await db.query<{ id: number; total: number }>(
    `select e.id, count(*) over ()::int as total from experiments e
     where ${where} and ${NOT_PURGED} order by e.id desc limit ${limit}`,
    [...values],
  );
  return { ids: rows.map(({ id }) => id), total: rows[0]?.total ?? 0 };
}

export interface LineageTrial {
  readonly experiment: number;
  readonly number: number;
  readonly state: string;
  readonly at: Date;
}

export async function lineageTrials(
  db: Queryable,
  trials: readonly (readonly [experiment: number, number: number])[],
): Promise<LineageTrial[]> {
  const { rows } = await db.query<LineageTrial>(
    `select t.experiment_id as experiment, t.number, t.state, t.created_at as at
     from unnest($1::int[], $2::int[]) as w(experiment, number)
     join trials t on t.experiment_id = w.experiment and t.number = w.number
     join experiments e on e.id = t.experiment_id where ${NOT_PURGED}`,
    [trials.map(([experiment]) => experiment), trials.map(([, number]) => number)],
  );
  return rows;
}

export interface LineageCheckpoint {
  readonly tree: string;
  readonly experiment: number;
  readonly trial: number;
  readonly step: number;
  readonly deleted: boolean;
  readonly at: Date;
}

/** Who saved these, deleted ones too; a tree can have been saved by several. */
export async function lineageCheckpoints(
  db: Queryable,
  trees: readonly string[],
): Promise<LineageCheckpoint[]> {
  return checkpoints(db, "c.tree = any($1)", [trees]);
}

/** What a trial saved and is still there, the latest first. */
export async function checkpointsOfTrial(
  db: Queryable,
  experiment: number,
  number: number,
): Promise<LineageCheckpoint[]> {
  return checkpoints(db, "t.experiment_id = $1 and t.number = $2 and c.deleted_at is null", [
    experiment,
    number,
  ]);
}

/** Those of these trials that some experiment goes on from. */
export async function startsOfTrials(
  db: Queryable,
  trials: readonly (readonly [experiment: number, number: number])[],
): Promise<LineageCheckpoint[]> {
  return checkpoints(
    db,
    `(t.experiment_id, t.number) in (select * from unnest($1::int[], $2::int[])) and exists
       (select from experiments s where s.config #>> '{searcher,source_checkpoint_uuid}' = c.tree)`,
    [trials.map(([experiment]) => experiment), trials.map(([, number]) => number)],
  );
}

async function checkpoints(
  db: Queryable,
  where: string,
  values: readonly unknown[],
): Promise<LineageCheckpoint[]> {
  const { rows } = await db.query<Omit<LineageCheckpoint, "step"> & { step: string }>(
    `select c.tree, t.experiment_id as experiment, t.number as trial, max(c.step) as step,
       bool_and(c.deleted_at is not null) as deleted, min(c.created_at) as at
     from checkpoints c join trials t on t.id = c.trial_id join experiments e on e.id = t.experiment_id
     where ${where} and ${NOT_PURGED}
     group by 1, 2, 3 order by step desc, c.tree limit 1000`,
    [...values],
  );
  return rows.map((row) => ({ ...row, step: Number(row.step) }));
}

export interface LineageDataset {
  readonly version: number;
  readonly snapshot: string;
  readonly removed: boolean;
  readonly at: Date;
}

/** All versions of a name. */
export async function versionsOf(db: Queryable, name: string): Promise<LineageDataset[]> {
  const { rows } = await db.query<LineageDataset>(
    `select version, snapshot, removed_at is not null as removed, created_at as at from datasets
     where name = $1 order by version`,
    [name],
  );
  return rows;
}

/** When each snapshot of code was first run. */
export async function firstUseOfCode(
  db: Queryable,
  trees: readonly string[],
): Promise<{ readonly tree: string; readonly at: Date }[]> {
  const { rows } = await db.query<{ tree: string; at: Date }>(
    `select e.code as tree, min(e.created_at) as at from experiments e
     where e.code = any($1) and ${NOT_PURGED} group by 1`,
    [trees],
  );
  return rows;
}
