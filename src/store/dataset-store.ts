/** Named datasets: versions counted from 1, each named by its content and registered once. */
import type pg from "pg";
import type { DatasetStatistics } from "../protocol/api/dataset-statistics.ts";
import type { Queryable } from "./audit-reads.ts";

export interface DatasetRow {
  id: number;
  name: string;
  version: number;
  kind: "stored" | "directory" | "s3";
  place: string | null;
  snapshot: string;
  content: string;
  files: number;
  bytes: number;
  created_by: string;
  created_at: Date;
  removed_at: Date | null;
  removed_by: string | null;
}

/** Without the statistics, which may be long. */
const SELECT = `select d.id, d.name, d.version, d.kind, d.place, d.snapshot, d.content, d.files, d.bytes,
    u.name as created_by, d.created_at, d.removed_at, d.removed_by
  from datasets d join users u on u.id = d.created_by`;

/** @returns the version asked for (none or one row; a removed one only by its number), and which there are of that name */
export async function findDataset(
  pool: Queryable,
  reference: { readonly name: string; readonly version: number | "latest" },
): Promise<{ rows: DatasetRow[]; known: number[] }> {
  const { rows } = await pool.query<DatasetRow>(
    `${SELECT} where d.name = $1 order by d.version desc`,
    [reference.name],
  );
  const current = rows.filter((row) => row.removed_at === null);
  const wanted =
    reference.version === "latest"
      ? current.slice(0, 1)
      : rows.filter((row) => row.version === reference.version);
  return { rows: wanted, known: current.map((row) => row.version).reverse() };
}

export async function readStatistics(db: Queryable, id: number): Promise<DatasetStatistics | null> {
  const { rows } = await db.query<{ statistics: DatasetStatistics | null }>(
    "select statistics from datasets where id = $1",
    [id],
  );
  return rows[0]?.statistics ?? null;
}

export interface NewDataset {
  readonly name: string;
  readonly kind: DatasetRow["kind"];
  readonly place: string | null;
  readonly snapshot: string;
  readonly content: string;
  readonly files: number;
  readonly bytes: number;
  readonly statistics: DatasetStatistics | null;
  readonly userId: number;
  readonly now: Date;
}

/** The same content under the same name is the version that it was. */
export async function addDataset(
  db: Queryable,
  entry: NewDataset,
): Promise<{ row: DatasetRow; created: boolean }> {
  let created = false;
  for (;;) {
    const found = await db.query<DatasetRow>(
      `${SELECT} where d.name = $1 and d.content = $2 and d.kind = $3
         and coalesce(d.place, '') = coalesce($4, '') and d.removed_at is null`,
      [entry.name, entry.content, entry.kind, entry.place],
    );
    if (found.rows[0]) return { row: found.rows[0], created };
    // Two at once compute the same number; the loser finds nothing inserted and looks again.
    const made = await db.query(
      `insert into datasets (name, version, kind, place, snapshot, content, files, bytes, statistics,
         created_by, created_at)
       select $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10
       from datasets where name = $1 on conflict do nothing`,
      [
        ...[entry.name, entry.kind, entry.place, entry.snapshot, entry.content, entry.files],
        ...[entry.bytes, entry.statistics === null ? null : JSON.stringify(entry.statistics)],
        ...[entry.userId, entry.now],
      ],
    );
    created = made.rowCount === 1;
  }
}

/** @returns whether it was not removed before */
export async function removeDataset(
  db: Queryable,
  { id, by, at }: { readonly id: number; readonly by: string; readonly at: Date },
): Promise<boolean> {
  const { rowCount } = await db.query(
    "update datasets set removed_at = $2, removed_by = $3 where id = $1 and removed_at is null",
    [id, at, by],
  );
  return rowCount === 1;
}

/** By name, newest version first. */
export async function listDatasets(
  pool: pg.Pool,
  page: {
    readonly name?: string | undefined;
    readonly removed?: boolean;
    readonly after?: { readonly name: string; readonly version: number } | undefined;
    readonly limit: number;
  },
): Promise<DatasetRow[]> {
  const { rows } = await pool.query<DatasetRow>(
    `${SELECT}
     where ($1::text is null or d.name > $1 or (d.name = $1 and d.version < $2::int))
       and ($4::text is null or d.name = $4) and ($5 or d.removed_at is null)
     order by d.name, d.version desc limit $3`,
    [
      ...[page.after?.name ?? null, page.after?.version ?? null, page.limit],
      ...[page.name ?? null, page.removed ?? false],
    ],
  );
  return rows;
}

/** A JSON path that finds in an experiment's `data` what reads a version; its name has nothing in it to be quoted. */
export const readsDataset = (reference: string): string =>
  `$.*.dataset ? (@ == ${JSON.stringify(reference)})`;

export interface DatasetUseRow {
  id: number;
  name: string;
  state: string;
  ended_at: Date | null;
  as: string[];
  total: number;
}

/** Experiments that were given this version and can still be shown, the newest first. */
export async function usesOf(
  db: Queryable,
  { name, version }: { readonly name: string; readonly version: number },
  limit: number,
): Promise<DatasetUseRow[]> {
  const reference = `${name}@${version}`;
  const { rows } = await db.query<DatasetUseRow>(
    `select e.id, e.name, e.state, e.ended_at, count(*) over ()::int as total,
       array(select k from jsonb_each(e.data) as each(k, v) where v->>'dataset' = $1 order by k) as "as"
     from experiments e
     where e.data @? $2::jsonpath and not exists
       (select from experiment_marks k where k.experiment_id = e.id and k.deleted_at is not null)
     order by e.id desc limit $3`,
    [reference, readsDataset(reference), limit],
  );
  return rows;
}
