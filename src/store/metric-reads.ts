/**
 * Series of one trial, as reported or thinned to a number of points in the database.
 *
 * A later allocation starts from a checkpoint and repeats the steps after it; what the earlier one had
 * reported there is superseded: kept, left out unless asked for. Which run counts for a step is decided
 * by the steps at which the runs started, so nothing has to be rewritten when a trial is resumed.
 * Thinning buckets by steps of equal width and gives each bucket's last, min, max and mean over all of its
 * points: a chart never moves more points than it can draw, and no extreme is lost. Least and greatest are of what is
 * finite, because to the database NaN is greater than every number and would stand for all of its bucket.
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
  /** Of its finite values; null = it has none. */
  min: number | null;
  max: number | null;
  mean: number;
  /** How many of its points are NaN or infinite. */
  not_finite: number;
  /** How many points it stands for. */
  points: number;
}

/**
 * Which points of a series count, per name and in the backward order of the key, which is what makes it a walk
 * over the index without a sort. Of several values of one name at one step in one run the last reported
 * holds. Parameters: trial, ids of names, first and last step, last step that counts by run.
 */
const kept = (name: string, superseded = "false"): string => `
  select distinct on (m.step, m.run) m.step, m.run, m.value, not ${COUNTS} as superseded
  from metrics m
  where m.trial_id = $1 and m.name_id = ${name} and m.step between $3 and $4 and (${superseded} or ${COUNTS})
  order by m.step desc, m.run desc, m.seq desc`;

/** An array by run costs a look-up a point where a join would cost a hash table's. */
const COUNTS = "m.step <= ($5::bigint[])[m.run]";

/**
 * avg() adds up squares as well and fails beyond 1e154, a value that a diverging loss does reach. A sum of values
 * that were all divided by 2^30 cannot overflow, and dividing by a power of two rounds nothing; values too
 * small to be divided count as nothing. Only the mean of several largest numbers can round to beyond the largest.
 */
const SHARE = 1073741824;
const MEAN_SHARE = `(sum(case when abs(p.value) < 1e-290 then 0 else p.value / ${SHARE} end) / count(*))`;
const LARGEST = "1.7976931348623157e308::float8";
const MEAN = `case when abs(b.share) > ${LARGEST} / ${SHARE} and abs(b.share) < 'Infinity'
  then sign(b.share) * ${LARGEST} else b.share * ${SHARE} end`;

/** NaN is greater than Infinity. */
const IS_FINITE = "abs(p.value) < 'Infinity'";

/** First, last step of the filter; text, because the largest is beyond what a number holds. */
const STEP_MAX = "9223372036854775807";

interface Named {
  readonly id: number;
  readonly name: string;
}

/** Looks at one entry of the index a name, not at every point. */
const NAMES_OF_TRIAL = `
  with recursive seen as (
    (select name_id from metrics where trial_id = $1 order by name_id limit 1)
    union all
    select (select m.name_id from metrics m where m.trial_id = $1 and m.name_id > s.name_id order by m.name_id limit 1)
    from seen s where s.name_id is not null)
  select n.id, n.name from seen s join metric_names n on n.id = s.name_id`;

/** Name → id, of all metrics of all experiments. */
export async function metricNames(pool: pg.Pool): Promise<Map<string, number>> {
  const { rows } = await pool.query<Named>("select id, name from metric_names");
  return new Map(rows.map(({ id, name }) => [name, id]));
}

export async function namesOfTrial(pool: pg.Pool, trialId: number): Promise<Named[]> {
  return (await pool.query<Named>(NAMES_OF_TRIAL, [trialId])).rows;
}

async function namesOf(pool: pg.Pool, filter: SeriesFilter): Promise<Named[]> {
  if (filter.names === undefined) return namesOfTrial(pool, filter.trialId);
  const { rows } = await pool.query<Named>(
    "select id, name from metric_names where name = any($1::text[])",
    [filter.names],
  );
  return rows;
}

/** By trial and run (from 1) the last step that counts: a later run that has reported repeats what comes after it. */
export async function lastStepsOf(
  pool: pg.Pool,
  trialIds: readonly number[],
): Promise<Map<number, bigint[]>> {
  const { rows } = await pool.query<{ id: number; run: number; cut: string | null }>(
    `select t.id, a.run, (select min(later.start_step) from allocations later
       where later.experiment_id = a.experiment_id and later.trial_number = a.trial_number and later.run > a.run
         and exists (select from reports r where r.trial_id = t.id and r.run = later.run))::text as cut
     from allocations a join trials t on t.experiment_id = a.experiment_id and t.number = a.trial_number
     where t.id = any($1::int[]) order by t.id, a.run`,
    [trialIds],
  );
  const byTrial = new Map<number, bigint[]>();
  for (const { id, run, cut } of rows) {
    const last = byTrial.get(id) ?? [];
    while (last.length < run) last.push(BigInt(STEP_MAX));
    last[run - 1] = BigInt(cut ?? STEP_MAX);
    byTrial.set(id, last);
  }
  return byTrial;
}

async function parameters(pool: pg.Pool, filter: SeriesFilter): Promise<unknown[]> {
  const names = await namesOf(pool, filter);
  const { trialId, fromStep = 0, toStep = STEP_MAX } = filter;
  const last = (await lastStepsOf(pool, [trialId])).get(trialId) ?? [];
  return [trialId, names.map(({ id }) => id), fromStep, toStep, last.map(String)];
}

/** In order of name, step, run. */
export async function readPoints(pool: pg.Pool, filter: SeriesFilter): Promise<PointRow[]> {
  const { rows } = await pool.query<PointRow>(
    `select n.name, p.step, p.run, p.value, p.superseded
     from metric_names n cross join lateral (${kept("n.id", "$6::boolean")}) p
     where n.id = any($2::int[]) order by n.name, p.step, p.run`,
    [...(await parameters(pool, filter)), filter.superseded],
  );
  return rows;
}

/** At most `buckets` rows a name, each over an equal range of steps; superseded points are left out. */
export async function readBuckets(
  pool: pg.Pool,
  filter: SeriesFilter,
  buckets: number,
): Promise<BucketRow[]> {
  const edge = (order: "asc" | "desc"): string => `
    (select m.step from metrics m where m.trial_id = $1 and m.name_id = n.id and m.step between $3 and $4 and ${COUNTS}
     order by m.step ${order} limit 1)`;
  const { rows } = await pool.query<BucketRow>(
    `with edges as (select n.id, n.name, ${edge("asc")} as low, ${edge("desc")} as high
       from metric_names n where n.id = any($2::int[])),
     spans as (select *, greatest(1, ceil((high - low + 1)::float8 / $6))::bigint as width
       from edges where low is not null)
     select s.name, b.step, b.run, last.value, b.min, b.max, ${MEAN} as mean, b.not_finite, b.points
     from spans s
     cross join lateral (
       select max(p.step) as step, max(p.run) as run, min(p.value) filter (where ${IS_FINITE}) as min,
         max(p.value) filter (where ${IS_FINITE}) as max,
         (count(*) filter (where not ${IS_FINITE}))::int as not_finite,
         ${MEAN_SHARE} as share, count(*)::int as points
       from (${kept("s.id")}) p group by (p.step - s.low) / s.width) b
     cross join lateral (
       select m.value from metrics m
       where m.trial_id = $1 and m.name_id = s.id and m.step = b.step and ${COUNTS}
       order by m.run desc, m.seq desc limit 1) last
     order by s.name, b.step`,
    [...(await parameters(pool, filter)), buckets],
  );
  return rows;
}
