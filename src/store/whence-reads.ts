/** From the hash of a file, or of a whole snapshot, to all that was ever made of it or with it. */
import type pg from "pg";
import type { JsonObject } from "../base/json.ts";

/** Beyond these an answer says no more than that there are many. */
const FOUND_MAX = 100;

/** What speaks of an experiment. */
interface OfExperiment {
  experiment: number;
  experiment_name: string;
  owner: string;
  author: string;
  state: string;
  code: string | null;
  data: JsonObject;
  provenance: JsonObject;
  purged: boolean;
}

export interface WhenceCheckpoint extends OfExperiment {
  tree: string;
  trial: number;
  run: number;
  step: number;
  created_at: Date;
  deleted_at: Date | null;
  deleted_why: string | null;
}

export interface WhenceCode extends OfExperiment {
  tree: string;
  created_at: Date;
}

export interface WhenceDataset {
  tree: string;
  name: string;
  version: number;
  created_by: string;
  created_at: Date;
}

export interface Whence {
  /** Of the file; null where the hash is a snapshot's, or of nothing known. */
  readonly size: number | null;
  readonly checkpoints: readonly WhenceCheckpoint[];
  readonly code: readonly WhenceCode[];
  readonly datasets: readonly WhenceDataset[];
}

const TREES = `
  select tree, size from tree_blobs where blob = $1
  union select tree, size from past_tree_blobs where blob = $1`;

const EXPERIMENT = `e.id as experiment, e.name as experiment_name, u.name as owner,
  coalesce((select i.origin->>'author' from imports i where i.experiment_id = e.id), u.name) as author, e.state, e.code, e.data, e.provenance,
  exists (select 1 from experiment_marks m where m.experiment_id = e.id and m.purged_at is not null) as purged`;

/** Oldest first: what a file was first saved as is where it comes from. */
export async function readWhence(pool: pg.Pool, hash: string): Promise<Whence> {
  const { rows } = await pool.query<{ tree: string; size: number }>(TREES, [hash]);
  const trees = [...new Set([...rows.map(({ tree }) => tree), hash])];
  const [checkpoints, code, datasets] = await Promise.all([
    pool.query<WhenceCheckpoint>(
      `select c.tree, t.number as trial, c.run, c.step, c.created_at, c.deleted_at, c.deleted_why, ${EXPERIMENT}
       from checkpoints c join trials t on t.id = c.trial_id join experiments e on e.id = t.experiment_id
       join users u on u.id = e.owner_id
       where c.tree = any($1::text[]) order by c.created_at, t.id limit ${FOUND_MAX}`,
      [trees],
    ),
    pool.query<WhenceCode>(
      `select e.code as tree, e.created_at, ${EXPERIMENT} from experiments e join users u on u.id = e.owner_id
       where e.code = any($1::text[]) order by e.id limit ${FOUND_MAX}`,
      [trees],
    ),
    pool.query<WhenceDataset>(
      // Also of those that were removed: that says where a file comes from all the same.
      `select d.snapshot as tree, d.name, d.version, u.name as created_by, d.created_at
       from datasets d join users u on u.id = d.created_by
       where d.snapshot = any($1::text[]) or d.content = $2 order by d.id limit ${FOUND_MAX}`,
      [trees, hash],
    ),
  ]);
  // A snapshot's own list is a blob of it, too: of that the size would be the list's.
  const file = rows.find(({ tree }) => tree !== hash);
  return {
    size: file?.size ?? null,
    checkpoints: checkpoints.rows,
    code: code.rows,
    datasets: datasets.rows,
  };
}
