/** Named datasets: versions counted from 1, each a snapshot by content, registered once. */
import type pg from "pg";
import type { Queryable } from "./audit-reads.ts";

export interface DatasetRow {
  id: number;
  name: string;
  version: number;
  snapshot: string;
  files: number;
  bytes: number;
  created_at: Date;
}

/** @returns the version asked for (none or one row), and which there are of that name */
export async function findDataset(
  pool: pg.Pool,
  reference: { readonly name: string; readonly version: number | "latest" },
): Promise<{ rows: DatasetRow[]; known: number[] }> {
  const { rows } = await pool.query<DatasetRow>(
    "select * from datasets where name = $1 order by version desc",
    [reference.name],
  );
  const wanted =
    reference.version === "latest"
      ? rows.slice(0, 1)
      : rows.filter((row) => row.version === reference.version);
  return { rows: wanted, known: rows.map((row) => row.version).reverse() };
}

/** The same content under the same name is the version that it was. */
export async function addDataset(
  db: Queryable,
  entry: {
    name: string;
    snapshot: string;
    files: number;
    bytes: number;
    userId: number;
    now: Date;
  },
): Promise<{ row: DatasetRow; created: boolean }> {
  for (;;) {
    const found = await db.query<DatasetRow>(
      "select * from datasets where name = $1 and snapshot = $2",
      [entry.name, entry.snapshot],
    );
    if (found.rows[0]) return { row: found.rows[0], created: false };
    // Two at once compute the same number; the loser finds nothing inserted and looks again.
    const made = await db.query<DatasetRow>(
      `insert into datasets (name, version, snapshot, files, bytes, created_by, created_at)
       select $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, $6 from datasets where name = $1
       on conflict do nothing returning *`,
      [entry.name, entry.snapshot, entry.files, entry.bytes, entry.userId, entry.now],
    );
    if (made.rows[0]) return { row: made.rows[0], created: true };
  }
}

/** By name, newest version first. */
export async function listDatasets(
  pool: pg.Pool,
  page: {
    readonly after?: { readonly name: string; readonly version: number } | undefined;
    readonly limit: number;
  },
): Promise<DatasetRow[]> {
  const { rows } = await pool.query<DatasetRow>(
    `select * from datasets
     where $1::text is null or name > $1 or (name = $1 and version < $2::int)
     order by name, version desc limit $3`,
    [page.after?.name ?? null, page.after?.version ?? null, page.limit],
  );
  return rows;
}
