/** What the tree of ideas is made of, and the threads in it. */
import type { FilterTerm } from "../protocol/experiment-filter/parse.ts";
import type { Queryable } from "./audit-reads.ts";
import { filterCondition } from "./experiment-filter-sql.ts";

export interface IdeaRow {
  readonly id: number;
  readonly name: string;
  readonly owner: string;
  readonly state: string;
  readonly project: string;
  readonly created_at: Date;
  readonly archived: boolean;
  readonly best: number | null;
  readonly config: { readonly searcher?: { readonly metric?: unknown } };
  readonly code: string | null;
  readonly kind: "fork" | "replay" | "copy" | "import" | null;
  readonly parent: number | null;
  readonly total: number;
}

/** The newest that fit and are not deleted, in ascending order. */
export async function listIdeas(
  db: Queryable,
  terms: readonly FilterTerm[],
  limit: number,
): Promise<IdeaRow[]> {
  const values: unknown[] = [];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const condition = filterCondition(terms, bind);
  const { rows } = await db.query<IdeaRow>(
    `select * from (
       select e.id, e.name, u.name as owner, e.state, e.workspace || '/' || e.project as project, e.created_at,
         exists (select from experiment_marks k where k.experiment_id = e.id and k.archived_at is not null) as archived,
         e.best_objective as best, e.config, e.code, a.kind, a.parent_experiment as parent, count(*) over ()::int as total
       from experiments e join users u on u.id = e.owner_id left join ancestry a on a.experiment_id = e.id
       where not exists (select from experiment_marks k where k.experiment_id = e.id and k.deleted_at is not null)
         and ${condition}
       order by e.id desc limit ${bind(limit)}) newest order by id`,
    values,
  );
  return rows;
}

/**
 * The smallest hashes of the files of each of these snapshots, in ascending order, the first `digits` of each, one after the
 * other in one text: as lists, those of a thousand snapshots would be a quarter of a million texts to be read in one go.
 */
export async function sketchesOf(
  db: Queryable,
  trees: readonly string[],
  { size, digits }: { readonly size: number; readonly digits: number },
): Promise<Map<string, string>> {
  const { rows } = await db.query<{ tree: string; hashes: string }>(
    `select w.tree, coalesce((select string_agg(left(s.blob, $3), '' order by s.blob) from (
       select b.blob from tree_blobs b where b.tree = w.tree order by b.blob limit $2) s), '') as hashes
     from unnest($1::text[]) as w(tree)`,
    [trees, size, digits],
  );
  return new Map(rows.map(({ tree, hashes }) => [tree, hashes]));
}

export interface ThreadRow {
  readonly id: number;
  readonly name: string;
  readonly note: string;
  readonly experiment: number;
  readonly by: string;
  readonly at: Date;
}

const THREADS = `select t.id, t.name, t.note, t.experiment_id as experiment, u.name as by, t.created_at as at
  from threads t join users u on u.id = t.created_by`;

export async function listThreads(db: Queryable): Promise<ThreadRow[]> {
  const { rows } = await db.query<ThreadRow>(`${THREADS} order by t.id`);
  return rows;
}

/** The same name at the same run is the thread that it was; its note is the latest. */
export async function putThread(
  db: Queryable,
  entry: {
    readonly experiment: number;
    readonly name: string;
    readonly note: string;
    readonly userId: number;
    readonly now: Date;
  },
): Promise<ThreadRow> {
  const { experiment, name, note, userId, now } = entry;
  await db.query(
    `insert into threads (experiment_id, name, note, created_by, created_at) values ($1, $2, $3, $4, $5)
     on conflict (experiment_id, name) do update set note = excluded.note`,
    [experiment, name, note, userId, now],
  );
  const { rows } = await db.query<ThreadRow>(
    `${THREADS} where t.experiment_id = $1 and t.name = $2`,
    [experiment, name],
  );
  return rows[0] as ThreadRow;
}

/** @returns what it was */
export async function deleteThread(db: Queryable, id: number): Promise<ThreadRow | undefined> {
  const { rows } = await db.query<ThreadRow>(`${THREADS} where t.id = $1`, [id]);
  await db.query("delete from threads where id = $1", [id]);
  return rows[0];
}
