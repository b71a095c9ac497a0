/** What an experiment's trials went through, read for all of them at once. Keyset paging, one statement a page. */
import type pg from "pg";
import type { AllocationRow } from "./schema.ts";
import { usedFrom } from "./used-from.ts";

/** In the order in which they were granted. */
export async function listAllocations(
  pool: pg.Pool,
  filter: { experiment: number; after: number; limit: number },
): Promise<AllocationRow[]> {
  const { rows } = await pool.query<AllocationRow>(
    "select * from allocations where experiment_id = $1 and id > $2 order by id limit $3",
    [filter.experiment, filter.after, filter.limit],
  );
  return rows;
}

export interface DecisionRow {
  trial_number: number;
  seq: number;
  at: Date;
  what: "create" | "train" | "pause" | "stop";
  target: number | null;
  code: string;
  text: string;
  /** Without its rivals, which would make a page of them heavy. */
  standing: unknown;
}

/** By trial, then in the order in which they fell. */
export async function listDecisions(
  pool: pg.Pool,
  filter: { experiment: number; after: { number: number; seq: number }; limit: number },
): Promise<DecisionRow[]> {
  const { rows } = await pool.query<DecisionRow>(
    `select trial_number, seq, at, what, target, code, text, standing - 'competitors' as standing
     from decisions
     where experiment_id = $1 and (trial_number, seq) > ($2, $3)
     order by trial_number, seq limit $4`,
    [filter.experiment, filter.after.number, filter.after.seq, filter.limit],
  );
  return rows;
}

export interface ProgressRow {
  at: Date;
  number: number;
  step: number;
  value: number;
  steps: number;
  slot_seconds: number;
  /** How many there are, before they were thinned. */
  total: number;
}

/**
 * Each report that was better than all before it, with what had been spent by then; thinned by position. What is not
 * finite is no best. Reports that a restart superseded count: they were the best when they came.
 */
export async function readProgress(
  pool: pg.Pool,
  filter: { experiment: number; metric: string; smallerIsBetter: boolean; pointsMax: number },
): Promise<ProgressRow[]> {
  const sign = filter.smallerIsBetter ? 1 : -1;
  const { rows } = await pool.query<ProgressRow>(
    `with told as (
       select r.at, r.trial_id, r.run, r.seq, r.step, t.number,
         greatest(0, r.step - coalesce(
           lag(r.step) over (partition by r.trial_id, r.run order by r.seq), a.start_step)) as worked
       from trials t
       join reports r on r.trial_id = t.id
       join allocations a on a.experiment_id = $1 and a.trial_number = t.number and a.run = r.run
       where t.experiment_id = $1),
     summed as (
       select told.*, sum(worked) over (order by at, trial_id, run, seq) as steps from told),
     judged as (
       select s.*, m.value, min(m.value * $3) over (
         order by s.at, s.trial_id, s.run, s.seq rows between unbounded preceding and 1 preceding) as before
       from summed s
       join metric_names n on n.name = $2
       join metrics m on m.trial_id = s.trial_id and m.name_id = n.id and m.step = s.step
         and m.run = s.run and m.seq = s.seq
       where m.value > '-Infinity' and m.value < 'Infinity'),
     better as (
       select j.*, row_number() over (order by at, trial_id, run, seq) as place, count(*) over () as total
       from judged j where before is null or value * $3 < before),
     kept as (
       select distinct on (((total - place) * $4::bigint) / greatest(total, $4::bigint)) *
       from better order by ((total - place) * $4::bigint) / greatest(total, $4::bigint), place desc)
     select k.at, k.number, k.step, k.value, k.steps::float8 as steps, k.total::int as total, (
       select coalesce(sum(greatest(0, extract(epoch from least(coalesce(a.ended_at, k.at), k.at) - ${usedFrom("a")}))
         * cardinality(a.slots)), 0)
       from allocations a where a.experiment_id = $1 and a.created_at < k.at)::float8 as slot_seconds
     from kept k order by k.at, k.place`,
    [filter.experiment, filter.metric, sign, filter.pointsMax],
  );
  return rows;
}
