/**
 * Output of training programs, line by line, as bytes. Lines arrive numbered per allocation and are
 * acknowledged by number, so that sending a batch twice stores it once. Reading goes by position
 * (allocation, number), which is the order in which a trial's runs wrote.
 */
import type pg from "pg";

export interface StoredLine {
  readonly seq: number;
  readonly atMs: number;
  readonly rank: number;
  readonly stream: "stdout" | "stderr";
  readonly bytes: Buffer;
  readonly complete: boolean;
}

/** All lines of one request in one statement. */
export async function insertLines(
  pool: pg.Pool,
  lines: readonly (StoredLine & { readonly allocation: number })[],
): Promise<void> {
  if (lines.length === 0) return;
  await pool.query({
    name: "insert_lines",
    text: `insert into logs (allocation_id, seq, at, rank, stream, complete, bytes)
      select a, s, to_timestamp(at / 1000.0), r, st, c, b
      from unnest($1::int[], $2::bigint[], $3::float8[], $4::smallint[], $5::smallint[], $6::boolean[], $7::bytea[])
        as u(a, s, at, r, st, c, b)
      on conflict do nothing`,
    values: [
      lines.map((line) => line.allocation),
      lines.map((line) => line.seq),
      lines.map((line) => line.atMs),
      lines.map((line) => line.rank),
      lines.map((line) => (line.stream === "stdout" ? 1 : 2)),
      lines.map((line) => line.complete),
      lines.map((line) => line.bytes),
    ],
  });
}

/** Highest number stored of each allocation. */
export async function lastLines(
  pool: pg.Pool,
  allocations: readonly number[],
): Promise<Map<number, number>> {
  const { rows } = await pool.query<{ id: number; last: number }>(
    `select a.id, coalesce((select l.seq from logs l where l.allocation_id = a.id order by l.seq desc limit 1), 0) as last
     from unnest($1::int[]) as a(id)`,
    [allocations],
  );
  return new Map(rows.map((row) => [row.id, Number(row.last)]));
}

/** Lines that ended allocations wrote and that have not arrived: their runner still sends them. */
export async function linesToCome(
  pool: pg.Pool,
  subject: { readonly experiment: number; readonly trial?: number | undefined },
): Promise<number> {
  const { rows } = await pool.query<{ missing: number }>(
    `select coalesce(sum(greatest(0, a.log_lines - coalesce(
       (select l.seq from logs l where l.allocation_id = a.id order by l.seq desc limit 1), 0))), 0)::float8 as missing
     from allocations a
     where a.experiment_id = $1 and ($2::int is null or a.trial_number = $2) and a.log_lines is not null`,
    [subject.experiment, subject.trial ?? null],
  );
  return rows[0]?.missing ?? 0;
}

export interface LogPosition {
  readonly allocation: number;
  readonly seq: number;
}

export interface LogFilter {
  readonly experiment: number;
  readonly trial?: number | undefined;
  readonly rank?: number | undefined;
  readonly stream?: "stdout" | "stderr" | undefined;
  readonly contains?: string | undefined;
  readonly after?: LogPosition | undefined;
  /** The last lines instead of the first; given back in order all the same. */
  readonly fromEnd: boolean;
  readonly limit: number;
  /** Ends with the line by which all hold this many bytes. */
  readonly bytesMax?: number | undefined;
}

export interface LogRow {
  allocation_id: number;
  trial_number: number;
  run: number;
  seq: number;
  at: Date;
  rank: number;
  stream: number;
  complete: boolean;
  bytes: Buffer;
}

export async function readLines(pool: pg.Pool, filter: LogFilter): Promise<LogRow[]> {
  const order = filter.fromEnd ? "desc" : "asc";
  const place = `l.allocation_id ${order}, l.seq ${order}`;
  const { rows } = await pool.query<LogRow & { bytes_before: number }>(
    `select * from (
       select l.*, a.trial_number, a.run,
         sum(octet_length(l.bytes)) over (order by ${place}) - octet_length(l.bytes) as bytes_before
       from logs l join allocations a on a.id = l.allocation_id
       where a.experiment_id = $1 and ($2::int is null or a.trial_number = $2)
         and ($3::smallint is null or l.rank = $3) and ($4::smallint is null or l.stream = $4)
         and ($5::bytea is null or position($5::bytea in l.bytes) > 0)
         and (l.allocation_id, l.seq) > ($6::int, $7::bigint)
       order by ${place} limit $8) l
     where bytes_before < $9::bigint order by ${place}`,
    [
      filter.experiment,
      filter.trial ?? null,
      filter.rank ?? null,
      filter.stream === undefined ? null : filter.stream === "stdout" ? 1 : 2,
      filter.contains === undefined ? null : Buffer.from(filter.contains),
      filter.after?.allocation ?? 0,
      filter.after?.seq ?? 0,
      filter.limit,
      filter.bytesMax ?? Number.MAX_SAFE_INTEGER,
    ],
  );
  return filter.fromEnd ? rows.reverse() : rows;
}
