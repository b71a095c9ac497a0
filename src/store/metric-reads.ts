/**
 * Series of one trial, as reported or thinned to a number of points in the database.
 *
 * A later allocation starts from a checkpoint and repeats the steps after it; what the earlier one had
 * reported there is superseded: kept, left out unless asked for. Which run counts for a step is decided
 * by the steps at which the runs started, so nothing has to be rewritten when a trial is resumed.
 * Thinning buckets by steps of equal width and gives each bucket's last, min, max and mean over all of its
 * points: a chart never moves more points than it can draw, and no extreme is lost.
 */
import type pg from "pg";

export interface SeriesFilter {
  readonly trialId: number;
  readonly names?: readonly string[] | undefined;
  readonly fromStep?: number | undefined;
  readonly toStep?: number | undefined;
  readonly superseded: boolean;
}

export interface PointRow {
  name: string;
  step: number;
  run: number;
  value: number;
  superseded: boolean;
}

export interface BucketRow {
  name: string;
  step: number;
  run: number;
  value: number;
  min: number;
  max: number;
  mean: number;
}

/** For each run the step from which a later run repeats: points beyond it are superseded. */
const CUTS = `
  select a.run, (select min(later.start_step) from allocations later
     where later.experiment_id = a.experiment_id and later.trial_number = a.trial_number
       and later.run > a.run and exists (select from reports r where r.trial_id = $1 and r.run = later.run)) as cut
  from allocations a join trials t on t.experiment_id = a.experiment_id and t.number = a.trial_number
  where t.id = $1`;

/** Of several values of one name at one step in one run the last reported holds. */
const POINTS = `
  select distinct on (m.name_id, m.step, m.run) m.name_id, m.step, m.run, m.value,
    (c.cut is not null and m.step > c.cut) as superseded
  from metrics m left join cuts c on c.run = m.run
  where m.trial_id = $1
    and ($2::int[] is null or m.name_id = any($2))
    and ($3::bigint is null or m.step >= $3) and ($4::bigint is null or m.step <= $4)
  order by m.name_id, m.step, m.run, m.seq desc`;

/**
 * avg() adds up squares as well and fails beyond 1e154, a value that a diverging loss does reach; a sum of
 * shares cannot overflow. Values too small to be shared out count as nothing.
 */
const MEAN = "sum(case when abs(k.value) < 1e-290 then 0 else k.value / k.total end)";

async function nameIds(
  pool: pg.Pool,
  names: readonly string[] | undefined,
): Promise<number[] | null> {
  if (names === undefined) return null;
  const { rows } = await pool.query<{ id: number }>(
    "select id from metric_names where name = any($1::text[])",
    [names],
  );
  return rows.map((row) => row.id);
}

/** Points per name, superseded ones included only on request. */
export async function countPoints(
  pool: pg.Pool,
  filter: SeriesFilter,
): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ name: string; total: number }>(
    `with cuts as (${CUTS}), points as (${POINTS})
     select n.name, count(*)::int as total from points p join metric_names n on n.id = p.name_id
     where $5::boolean or not p.superseded group by n.name`,
    [...(await values(pool, filter)), filter.superseded],
  );
  return new Map(rows.map((row) => [row.name, row.total]));
}

async function values(pool: pg.Pool, filter: SeriesFilter): Promise<unknown[]> {
  return [
    filter.trialId,
    await nameIds(pool, filter.names),
    filter.fromStep ?? null,
    filter.toStep ?? null,
  ];
}

/** In order of name, step, run. */
export async function readPoints(pool: pg.Pool, filter: SeriesFilter): Promise<PointRow[]> {
  const { rows } = await pool.query<PointRow>(
    `with cuts as (${CUTS}), points as (${POINTS})
     select n.name, p.step, p.run, p.value, p.superseded from points p join metric_names n on n.id = p.name_id
     where $5::boolean or not p.superseded order by n.name, p.step, p.run`,
    [...(await values(pool, filter)), filter.superseded],
  );
  return rows;
}

/** At most `buckets` rows a name, each over an equal range of steps. */
export async function readBuckets(
  pool: pg.Pool,
  filter: SeriesFilter,
  buckets: number,
): Promise<BucketRow[]> {
  const { rows } = await pool.query<BucketRow>(
    `with cuts as (${CUTS}), points as (${POINTS}),
     kept as (select * from points where not superseded),
     span as (select name_id, min(step) as low, greatest(1, ceil((max(step) - min(step) + 1)::float8 / $5)) as width
              from kept group by name_id),
     placed as (select k.*, floor((k.step - s.low) / s.width) as bucket from kept k join span s using (name_id)),
     counted as (select *, count(*) over (partition by name_id, bucket) as total from placed)
     select n.name, max(k.step) as step, max(k.run) as run,
       (array_agg(k.value order by k.step desc, k.run desc))[1] as value,
       min(k.value) as min, max(k.value) as max, ${MEAN} as mean
     from counted k join metric_names n on n.id = k.name_id
     group by n.name, k.bucket order by n.name, step`,
    [...(await values(pool, filter)), buckets],
  );
  return rows;
}
