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

/** In SQL, of versions `d` with one snapshot, the one that an experiment means that calls it so. */
const meantFirst = (reference: string): string =>
  `d.name || '@' || d.version = ${reference} desc, d.removed_at is not null, d.id`;

/**
 * The versions that an item of an experiment's `data` can be, the one that it means first; removed ones too. By the
 * snapshot, because what was imported may bear the name and number of something else: every server counts on its own.
 */
export async function findBySnapshot(
  db: Queryable,
  item: { readonly snapshot: string; readonly kind: string; readonly dataset: string },
): Promise<DatasetRow[]> {
  const { rows } = await db.query<DatasetRow>(
    `${SELECT} where d.snapshot = $1 and d.kind = $2 order by ${meantFirst("$3")}`,
    [item.snapshot, item.kind, item.dataset],
  );
  return rows;
}

/** A version whose files are stored here and are these, of that name before any other. */
export async function findStored(
  db: Queryable,
  { content, name }: { readonly content: string; readonly name: string | undefined },
): Promise<DatasetRow | undefined> {
  const { rows } = await db.query<DatasetRow>(
    `${SELECT} where d.content = $1 and d.kind = 'stored' and d.removed_at is null
     order by coalesce(d.name = $2, false) desc, d.id limit 1`,
    [content, name ?? null],
  );
  return rows[0];
}

/** @returns those of these snapshots that are no version here and never were */
export async function foreignSnapshots(
  db: Queryable,
  snapshots: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ snapshot: string }>(
    `select distinct snapshot from unnest($1::text[]) as s(snapshot)
     where not exists (select from datasets d where d.snapshot = s.snapshot)`,
    [snapshots],
  );
  return new Set(rows.map(({ snapshot }) => snapshot));
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

/** A JSON path that finds in an experiment's `data` what was given a snapshot; a hash has nothing in it to be quoted. */
export const readsSnapshot = (snapshot: string): string =>
  `$.*.snapshot ? (@ == ${JSON.stringify(snapshot)})`;

/** In SQL, the version (`name@version`) that an item `v` of an experiment's `data` is here; null = none. */
export const VERSION_OF_ITEM = `(select d.name || '@' || d.version from datasets d
  where d.snapshot = v->>'snapshot' order by ${meantFirst("v->>'dataset'")} limit 1)`;

/** In SQL, the names under which an experiment `e` reads the version $1 (`name@version`) with the snapshot $2; most are called so. */
export const NAMES_OF_VERSION = `array(select k from jsonb_each(e.data) as each(k, v)
  where v->>'snapshot' = $2 and (v->>'dataset' = $1 or ${VERSION_OF_ITEM} = $1) order by k)`;

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
  { name, version, snapshot }: Pick<DatasetRow, "name" | "version" | "snapshot">,
  limit: number,
): Promise<DatasetUseRow[]> {
  const { rows } = await db.query<DatasetUseRow>(
    `select e.id, e.name, e.state, e.ended_at, count(*) over ()::int as total, names as "as"
     from experiments e cross join lateral (select ${NAMES_OF_VERSION} as names) as read
     where e.data @? $3::jsonpath and names <> '{}' and not exists
       (select from experiment_marks k where k.experiment_id = e.id and k.deleted_at is not null)
     order by e.id desc limit $4`,
    [`${name}@${version}`, snapshot, readsSnapshot(snapshot), limit],
  );
  return rows;
}
