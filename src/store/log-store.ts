/**
 * Output of training programs, line by line, as bytes. Lines arrive numbered per allocation and are
 * acknowledged by number, so that sending a batch twice stores it once.
 *
 * A trial is read in the order in which its runs wrote: by (allocation, number), and not past a run whose last
 * lines are still on their way. An experiment is read in the order in which lines came: by position.
 */
import type pg from "pg";
import { inTransaction } from "./transaction.ts";

export interface StoredLine {
  readonly seq: number;
  readonly atMs: number;
  readonly rank: number;
  readonly stream: "stdout" | "stderr";
  readonly bytes: Buffer;
  readonly complete: boolean;
}

/**
 * All lines of one request in one statement. What was stored before is passed over; a position that another line has
 * is an error, and then nothing is stored: passed over as well, that line would count as durable and be nowhere.
 */
export async function insertLines(
  pool: pg.Pool,
  lines: readonly (StoredLine & {
    readonly allocation: number;
    readonly experiment: number;
    readonly position: number;
  })[],
): Promise<void> {
  if (lines.length === 0) return;
  await pool.query({
    name: "insert_lines",
    text: `insert into logs (allocation_id, seq, at, rank, stream, complete, bytes, experiment_id, position)
      select a, s, to_timestamp(at / 1000.0), r, st, c, b, e, p
      from unnest($1::int[], $2::bigint[], $3::float8[], $4::smallint[], $5::smallint[], $6::boolean[], $7::bytea[],
        $8::int[], $9::bigint[]) as u(a, s, at, r, st, c, b, e, p)
      on conflict (allocation_id, seq) do nothing`,
    values: [
      lines.map((line) => line.allocation),
      lines.map((line) => line.seq),
      lines.map((line) => line.atMs),
      lines.map((line) => line.rank),
      lines.map((line) => (line.stream === "stdout" ? 1 : 2)),
      lines.map((line) => line.complete),
      lines.map((line) => line.bytes),
      lines.map((line) => line.experiment),
      lines.map((line) => line.position),
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
  subject: Pick<LogFilter, "experiment" | "trial" | "run">,
): Promise<number> {
  const { rows } = await pool.query<{ missing: number }>(
    `select coalesce(sum(greatest(0, a.log_lines - coalesce(
       (select l.seq from logs l where l.allocation_id = a.id order by l.seq desc limit 1), 0))), 0)::float8 as missing
     from allocations a
     where a.experiment_id = $1 and ($2::int is null or a.trial_number = $2) and ($3::int is null or a.run = $3)
       and a.log_lines is not null`,
    [subject.experiment, subject.trial ?? null, subject.run ?? null],
  );
  return rows[0]?.missing ?? 0;
}

/** Position of the last line of an experiment; 0 when it has none. */
export async function lastPosition(pool: pg.Pool, experiment: number): Promise<number> {
  const { rows } = await pool.query<{ position: number }>(
    "select position from logs where experiment_id = $1 order by position desc limit 1",
    [experiment],
  );
  return rows[0]?.position ?? 0;
}

/** Where a reader stands: in a trial, or in an experiment. */
export type LogPlace =
  | { readonly allocation: number; readonly seq: number }
  | { readonly position: number };

export interface LogFilter {
  readonly experiment: number;
  readonly trial?: number | undefined;
  /** Of the trial. */
  readonly run?: number | undefined;
  readonly rank?: number | undefined;
  readonly stream?: "stdout" | "stderr" | undefined;
  readonly contains?: string | undefined;
  readonly since?: Date | undefined;
  /** Not included. */
  readonly until?: Date | undefined;
  /** Of the kind that goes with `trial`. */
  readonly after?: LogPlace | undefined;
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
  position: number;
  at: Date;
  rank: number;
  stream: number;
  complete: boolean;
  bytes: Buffer;
}

/** After this time a run that has ended is read past even where lines of it never came. */
const LATE_LINES = "interval '60 seconds'";

/** The runs of a trial up to the first whose lines may still come, that one included. */
const RUNS_TO_READ = `
  a.run <= coalesce((select min(b.run) from allocations b
    where b.experiment_id = $1 and b.trial_number = $2 and (b.state <> 'ended'
      or (b.ended_at > now() - ${LATE_LINES} and coalesce(b.log_lines, 0) > coalesce(
        (select k.seq from logs k where k.allocation_id = b.id order by k.seq desc limit 1), 0)))), 2147483647)`;

/** One run alone has nothing to wait for: no earlier one stands before it. */
const runsAsked = (run: string): string =>
  `(a.run = ${run}::int or (${run}::int is null and ${RUNS_TO_READ}))`;

/**
 * A page costs what it shows, however much there is. The planner is kept from the other way, to gather all lines behind
 * the place and sort them: it takes that one on a table that is younger than its first statistics, which with 20,000
 * lines a second meant that a follower saw 200 of them; and for one trial's lines always.
 */
export async function readLines(pool: pg.Pool, filter: LogFilter): Promise<LogRow[]> {
  const rows = await inTransaction(
    pool,
    async ({ client }) => {
      await client.query(IN_ORDER);
      return (await client.query<LogRow & { bytes_before: number }>(linesQuery(filter))).rows;
    },
    { readOnly: true },
  );
  return filter.fromEnd ? rows.reverse() : rows;
}

/** With these off, only an index that has the order already is left. */
export const IN_ORDER = "set local enable_bitmapscan = off; set local enable_seqscan = off";

/** Exported for a test that looks at its plan. */
export function linesQuery(filter: LogFilter): pg.QueryConfig {
  const order = filter.fromEnd ? "desc" : "asc";
  const { after } = filter;
  const matches = `($3::smallint is null or l.rank = $3) and ($4::smallint is null or l.stream = $4)
    and ($5::bytea is null or position($5::bytea in l.bytes) > 0)
    and ($10::timestamptz is null or l.at >= $10) and ($11::timestamptz is null or l.at < $11)`;
  const ofTrial = `(select a.id, a.trial_number, a.run from allocations a
      where a.experiment_id = $1 and a.trial_number = $2 and a.id >= $6::int and ${runsAsked("$12")}) a
    cross join lateral (select * from logs l where l.allocation_id = a.id and (l.allocation_id, l.seq) > ($6::int, $7::bigint)
      and ${matches} order by l.seq ${order} limit $8) l`;
  const ofExperiment = `(select * from logs l where l.experiment_id = $1 and $2::int is null and $6::int = 0 and $12::int is null
      and l.position > $7::bigint and ${matches} order by l.position ${order} limit $8) l
    join allocations a on a.id = l.allocation_id`;
  const [from, place] =
    filter.trial === undefined
      ? [ofExperiment, `l.position ${order}`]
      : [ofTrial, `l.allocation_id ${order}, l.seq ${order}`];
  const start =
    after === undefined
      ? [0, 0]
      : "position" in after
        ? [0, after.position]
        : [after.allocation, after.seq];
  return {
    text: `select * from (
       select l.*, a.trial_number, a.run,
         sum(octet_length(l.bytes)) over (order by ${place}) - octet_length(l.bytes) as bytes_before
       from ${from}
       order by ${place} limit $8) l
     where bytes_before < $9::bigint
     order by ${place}`,
    values: [
      filter.experiment,
      filter.trial ?? null,
      filter.rank ?? null,
      filter.stream === undefined ? null : filter.stream === "stdout" ? 1 : 2,
      filter.contains === undefined ? null : Buffer.from(filter.contains),
      ...start,
      filter.limit,
      filter.bytesMax ?? Number.MAX_SAFE_INTEGER,
      filter.since ?? null,
      filter.until ?? null,
      filter.run ?? null,
    ],
  };
}

/** The place of the last line, as far as lines are read now, whatever they say; undefined = there is none. */
export async function lastPlace(
  pool: pg.Pool,
  { experiment, trial, run }: Pick<LogFilter, "experiment" | "trial" | "run">,
): Promise<LogPlace | undefined> {
  if (trial === undefined) return { position: await lastPosition(pool, experiment) };
  const { rows } = await pool.query<{ allocation: number; seq: number }>(
    `select a.id as allocation, last.seq::float8 as seq from allocations a cross join lateral
       (select l.seq from logs l where l.allocation_id = a.id order by l.seq desc limit 1) last
     where a.experiment_id = $1 and a.trial_number = $2 and ${runsAsked("$3")} order by a.id desc limit 1`,
    [experiment, trial, run ?? null],
  );
  return rows[0];
}

export interface RunExtent {
  run: number;
  /** The number of its last line. */
  lines: number;
  first_at: Date;
  last_at: Date;
}

/** The runs of a trial that have written something, as far as they are read (see `RUNS_TO_READ`). Two look-ups a run. */
export async function readExtent(
  pool: pg.Pool,
  subject: { readonly experiment: number; readonly trial: number },
): Promise<RunExtent[]> {
  const end = (order: "asc" | "desc"): string =>
    `select l.seq, l.at from logs l where l.allocation_id = a.id order by l.seq ${order} limit 1`;
  const { rows } = await pool.query<RunExtent>(
    `select a.run, last.seq::float8 as lines, first.at as first_at, last.at as last_at
     from allocations a cross join lateral (${end("asc")}) first cross join lateral (${end("desc")}) last
     where a.experiment_id = $1 and a.trial_number = $2 and ${RUNS_TO_READ} order by a.run`,
    [subject.experiment, subject.trial],
  );
  return rows;
}

/** @returns the place before a line of a run, to begin with that line; undefined where there is no such run */
export async function placeBefore(
  pool: pg.Pool,
  at: { readonly experiment: number; readonly trial: number; run: number; line: number },
): Promise<LogPlace | undefined> {
  const { rows } = await pool.query<{ id: number }>(
    "select id from allocations where experiment_id = $1 and trial_number = $2 and run = $3",
    [at.experiment, at.trial, at.run],
  );
  return rows[0] && { allocation: rows[0].id, seq: at.line - 1 };
}
