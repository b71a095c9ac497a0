/**
 * One metric of many trials in one statement, each thinned to the last point of every bucket of steps. A chart of
 * 200 trials would otherwise cost 200 requests. Which run counts for a step is decided as in metric-reads.ts.
 */
import type pg from "pg";

export interface CurveFilter {
  readonly experiment: number;
  /** Numbers of trials. */
  readonly trials: readonly number[];
  readonly metric: string;
  readonly pointsMax: number;
}

export interface CurvePoint {
  number: number;
  step: number;
  value: number;
}

/** In order of trial and step. */
export async function readCurves(pool: pg.Pool, filter: CurveFilter): Promise<CurvePoint[]> {
  const { rows } = await pool.query<CurvePoint>(
    `with wanted as (
       select id, number from trials where experiment_id = $1 and number = any($2::int[])),
     cuts as (
       select w.id as trial_id, a.run, coalesce((
         select min(later.start_step) from allocations later
         where later.experiment_id = $1 and later.trial_number = w.number and later.run > a.run
           and exists (select from reports r where r.trial_id = w.id and r.run = later.run)
       ), 9223372036854775807) as last
       from wanted w join allocations a on a.experiment_id = $1 and a.trial_number = w.number),
     named as (select id from metric_names where name = $3)
     select w.number, b.step, b.value
     from wanted w
     cross join named n
     cross join lateral (
       select min(m.step) as low, max(m.step) as high from metrics m
       where m.trial_id = w.id and m.name_id = n.id) edge
     cross join lateral (
       select greatest(1, ceil((edge.high - edge.low + 1)::float8 / $4))::bigint as width) bucket
     cross join lateral (
       select distinct on ((m.step - edge.low) / bucket.width) m.step, m.value
       from metrics m join cuts c on c.trial_id = w.id and c.run = m.run
       where m.trial_id = w.id and m.name_id = n.id and m.step <= c.last
       order by (m.step - edge.low) / bucket.width, m.step desc, m.run desc, m.seq desc) b
     where edge.low is not null
     order by w.number, b.step`,
    [filter.experiment, filter.trials, filter.metric, filter.pointsMax],
  );
  return rows;
}
