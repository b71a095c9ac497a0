/**
 * Two trials' metrics side by side, in the database: of each name how many points both have, the first step at which they
 * are not the same number, and where each of the two ended. Points that a later run repeated count as everywhere else:
 * the later run's.
 */
import type pg from "pg";
import { lastStepsOf } from "./metric-reads.ts";

export interface MetricDifference {
  name: string;
  /** Steps at which both have a point. */
  both: number;
  only_a: number;
  only_b: number;
  /** Of the steps that both have; null where all are the same. NaN is the same as NaN. */
  first_step: number | null;
  first_a: number | null;
  first_b: number | null;
  last_a: number | null;
  last_b: number | null;
  last_step_a: number | null;
  last_step_b: number | null;
  min_a: number | null;
  min_b: number | null;
  max_a: number | null;
  max_b: number | null;
}

/** By name. @param names only these, and of no other a point is read; absent = all */
export async function diffMetrics(
  pool: pg.Pool,
  [a, b]: readonly [number, number],
  names?: readonly string[],
): Promise<MetricDifference[]> {
  const cuts = await lastStepsOf(pool, [a, b]);
  const [ofA, ofB] = [a, b].map((trial) => (cuts.get(trial) ?? []).map(String));
  const only =
    names === undefined
      ? ""
      : "and m.name_id = any(array(select id from metric_names where name = any($5::text[])))";
  const { rows } = await pool.query<MetricDifference>(
    `with a as materialized (${points(1, 2, only)}), b as materialized (${points(3, 4, only)}),
     j as (select coalesce(a.name_id, b.name_id) as name_id, coalesce(a.step, b.step) as step,
         a.value as va, b.value as vb, a.step is not null as in_a, b.step is not null as in_b
       from a full join b on a.name_id = b.name_id and a.step = b.step),
     f as (select distinct on (name_id) name_id, step, va, vb from j
       where in_a and in_b and va <> vb order by name_id, step)
     select n.name, count(*) filter (where in_a and in_b)::int as both,
       count(*) filter (where not in_b)::int as only_a, count(*) filter (where not in_a)::int as only_b,
       min(f.step) as first_step, min(f.va) as first_a, min(f.vb) as first_b,
       (array_agg(j.va order by j.step desc) filter (where in_a))[1] as last_a,
       (array_agg(j.vb order by j.step desc) filter (where in_b))[1] as last_b,
       max(j.step) filter (where in_a) as last_step_a, max(j.step) filter (where in_b) as last_step_b,
       min(nullif(j.va, 'NaN')) as min_a, min(nullif(j.vb, 'NaN')) as min_b,
       max(nullif(j.va, 'NaN')) as max_a, max(nullif(j.vb, 'NaN')) as max_b
     from j join metric_names n on n.id = j.name_id left join f on f.name_id = j.name_id
     group by n.name order by n.name`,
    [a, ofA, b, ofB, ...(names === undefined ? [] : [names])],
  );
  return rows;
}

/** To PostgreSQL NaN equals NaN, which is what is wanted here. @param trial, cuts places of parameters; `only` a condition more */
const points = (trial: number, cuts: number, only: string): string => `
  select distinct on (m.name_id, m.step) m.name_id, m.step, m.value from metrics m
  where m.trial_id = $${trial} and m.step <= ($${cuts}::bigint[])[m.run] ${only}
  order by m.name_id, m.step, m.run desc, m.seq desc`;
