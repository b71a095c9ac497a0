/** Experiments that were not trained here: what they came in, and their many rows, some at a time. */
import type pg from "pg";
import { type JsonObject, stringifyExact } from "../base/json.ts";
import type { ImportedData } from "../protocol/api.ts";
import type { Queryable } from "./audit-reads.ts";
import type { Database } from "./schema.ts";
import { insertMetrics, type MetricPoint } from "./write-batch.ts";

export interface ImportRow {
  readonly experiment_id: number;
  readonly content: string;
  readonly origin: JsonObject;
  readonly record: string;
  readonly by: string;
  readonly at: Date;
  readonly done_at: Date | null;
}

export async function findImport(db: Queryable, content: string): Promise<ImportRow | undefined> {
  const { rows } = await db.query<ImportRow>(
    "select * from imports where content = $1 and done_at is not null",
    [content],
  );
  return rows[0];
}

export async function readImport(
  db: Queryable,
  experiment: number,
): Promise<ImportRow | undefined> {
  const { rows } = await db.query<ImportRow>(
    "select * from imports where experiment_id = $1 and done_at is not null",
    [experiment],
  );
  return rows[0];
}

/** Those that were begun and not finished. @param content only of this record */
export async function unfinishedImports(db: Queryable, content?: string): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(
    `select experiment_id as id from imports
     where done_at is null and ($1::text is null or content = $1) order by 1`,
    [content ?? null],
  );
  return rows.map(({ id }) => id);
}

export async function beginImport(db: Queryable, row: Omit<ImportRow, "done_at">): Promise<void> {
  await db.query(
    `insert into imports (experiment_id, content, origin, record, by, at)
     values ($1, $2, $3::jsonb, $4, $5, $6)`,
    [row.experiment_id, row.content, JSON.stringify(row.origin), row.record, row.by, row.at],
  );
}

export async function finishImport(db: Queryable, experiment: number, at: Date): Promise<void> {
  await db.query("update imports set done_at = $2 where experiment_id = $1", [experiment, at]);
}

export async function forgetImport(db: Queryable, experiment: number): Promise<void> {
  await db.query("delete from imports where experiment_id = $1", [experiment]);
}

/** What was answered to a request, for when it is sent again because its answer was not heard. */
export interface ImportAnswer {
  readonly experiment: number;
  readonly data: readonly ImportedData[];
}

interface Sent {
  readonly userId: number;
  readonly key: string;
  /** SHA-256 of the request. */
  readonly hash: Buffer;
}

export async function keepAnswer(
  db: Queryable,
  { userId, key, hash }: Sent,
  { at, ...reply }: ImportAnswer & { readonly at: Date },
): Promise<void> {
  await db.query(
    `insert into idempotency (user_id, key, request_hash, reply, created_at)
     values ($1, $2, $3, $4::jsonb, $5) on conflict do nothing`,
    [userId, key, hash, JSON.stringify(reply), at],
  );
}

export async function answerTo(
  db: Queryable,
  { userId, key, hash }: Sent,
): Promise<ImportAnswer | undefined> {
  const { rows } = await db.query<{ reply: ImportAnswer }>(
    "select reply from idempotency where user_id = $1 and key = $2 and request_hash = $3",
    [userId, key, hash],
  );
  return rows[0]?.reply;
}

/** @param data those of its names that are other versions now */
export async function setData(db: Queryable, experiment: number, data: JsonObject): Promise<void> {
  await db.query("update experiments set data = data || $2::jsonb where id = $1", [
    experiment,
    JSON.stringify(data),
  ]);
}

/** Rows of one table, all with the same columns. */
export async function insertRows(
  db: Queryable,
  table: keyof Database,
  rows: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  const columns = Object.keys(first).join(", ");
  await db.query({
    name: `import_${table}`,
    text: `insert into ${table} (${columns})
      select ${columns} from json_populate_recordset(null::${table}, $1::json) on conflict do nothing`,
    values: [stringifyExact(rows)],
  });
}

export async function insertPoints(pool: pg.Pool, points: readonly MetricPoint[]): Promise<void> {
  if (points.length > 0) await pool.query(insertMetrics(points));
}
