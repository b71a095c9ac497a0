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
  /** Steps, both included; absent = from the first, to the last. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export interface CurvePoint {
  number: number;
  step: number;
  value: number;
}

/**
 * The runs of a trial, each with the last step that counts of it: a later one that reported began there. "offset 0" keeps
 * the planner from looking that up for each point anew, which for a thousand trials of 500 points took eight seconds.
 */
const RUNS = `
  select a.run, coalesce((
    select min(later.start_step) from allocations later
    where later.experiment_id = $1 and later.trial_number = w.number and later.run > a.run
      and exists (select from reports r where r.trial_id = w.id and r.run = later.run)
  ), 9223372036854775807) as last
  from allocations a where a.experiment_id = $1 and a.trial_number = w.number offset 0`;

/**
 * In order of trial and step. The buckets lie between the first and the last point that counts, found while the points
 * are gathered: min and max through a join of their own took nearly twice as long for a trial of 600,000 points, and
 * ten times as long for a thousand trials of 600 on a table that had no statistics yet.
 */
export async function readCurves(pool: pg.Pool, filter: CurveFilter): Promise<CurvePoint[]> {
  const { rows } = await pool.query<CurvePoint>(
    `with named as materialized (select id from metric_names where name = $3)
     select w.number, b.step, b.value
     from trials w
     cross join named n
     cross join lateral (
       select p.step, p.value from (
         select s.step, s.value, s.place, lead(s.place) over (order by s.step, s.run, s.seq) as next_place
         from (
           select k.*, (k.step - k.low) / greatest(1, ceil((k.high - k.low + 1)::float8 / $4))::bigint as place
           from (
             select m.step, m.run, m.seq, m.value, min(m.step) over () as low, max(m.step) over () as high
             from (${RUNS}) c
             join metrics m on m.run = c.run and m.step <= c.last
             where m.trial_id = w.id and m.name_id = n.id
               and m.step >= $5::bigint and m.step <= $6::bigint) k) s) p
       where p.next_place is distinct from p.place) b
     where w.experiment_id = $1 and w.number = any($2::int[])
     order by w.number, b.step`,
    [
      ...[filter.experiment, filter.trials, filter.metric, filter.pointsMax],
      ...[filter.from ?? 0, filter.to ?? Number.MAX_SAFE_INTEGER],
    ],
  );
  return rows;
}
