/** What routes ask about experiments and trials. Read-only, keyset paging, one statement a page. */
import type pg from "pg";
import type { Grant } from "../core/lifecycle/experiment.ts";
import type { SortWord } from "../protocol/experiment-filter/fields.ts";
import type { FilterTerm } from "../protocol/experiment-filter/parse.ts";
import { filterCondition, keyText, keyValue, sortKey } from "./experiment-filter-sql.ts";
import type { AllocationRow, ExperimentRow, TrialRow } from "./schema.ts";
import { usedFrom } from "./used-from.ts";

export interface ExperimentSummaryRow extends ExperimentRow, Purged {
  owner: string;
  total: number;
  queued: number;
  running: number;
  paused: number;
  completed: number;
  canceled: number;
  error: number;
  /** Of `total`, those made in place of others. */
  replacements: number;
  /** Those that still run; how long they have is for the server's clock to say, which gave them their beginning. */
  grants: readonly Grant[];
  /** Of a task that serves, ms since 1970: nobody has used it since then. */
  unused_since_ms: number | null;
  archived_at: Date | null;
  deleted_at: Date | null;
}

/** Of what belongs to a deleted experiment. */
export interface Purged {
  deleted_by: string | null;
  /** When the way back ended; then hardly more than this row is left. */
  purged_at: Date | null;
}

const SUMMARY = `
  select e.*, u.name as owner, t.*, coalesce(a.grants, '[]') as grants,
    k.archived_at, k.deleted_at, k.deleted_by, k.purged_at,
    (select (f.core #>> '{allocation,unusedSinceMs}')::float8 from trials f
      where f.experiment_id = e.id and f.number = 1 and e.config #>> '{task,kind}' is not null) as unused_since_ms
  from experiments e
  left join experiment_marks k on k.experiment_id = e.id
  join users u on u.id = e.owner_id
  cross join lateral (
    select count(*)::int as total,
      count(*) filter (where state = 'queued')::int as queued,
      count(*) filter (where state in ('starting', 'running', 'pausing', 'stopping'))::int as running,
      count(*) filter (where state in ('paused', 'waiting'))::int as paused,
      count(*) filter (where state = 'completed')::int as completed,
      count(*) filter (where state = 'canceled')::int as canceled,
      count(*) filter (where state = 'error')::int as error,
      -- Only where something was replaced are the decisions looked at.
      case when bool_or(end_reason = 'invalid_hyperparameters') then (select count(*)::int from decisions
        where experiment_id = e.id and what = 'create' and code = 'replacement') else 0 end as replacements
    from trials where experiment_id = e.id) t
  left join lateral (
    select json_agg(json_build_object('sinceMs', extract(epoch from ${usedFrom("g")}) * 1000, 'slots', cardinality(slots))) as grants
    from allocations g where experiment_id = e.id and state <> 'ended' and ${usedFrom("g")} is not null) a on true`;

export interface ExperimentsFilter {
  readonly state?: string | undefined;
  readonly label?: string | undefined;
  readonly show: "current" | "archived" | "deleted";
  readonly terms?: readonly FilterTerm[];
  readonly sort: { readonly word: SortWord; readonly descending: boolean };
  /** Where the page before ended: its last sort key, as text, and number. */
  readonly after?: { readonly key: string; readonly id: number } | undefined;
  readonly limit: number;
}

const MARKED = "select from experiment_marks k where k.experiment_id = e.id and";
/** Not by an outer join: the planner then believes that hardly any row is left, and reads all of them for one page. */
const SHOWN = {
  current: `not exists (${MARKED} (k.archived_at is not null or k.deleted_at is not null))`,
  archived: `exists (${MARKED} k.archived_at is not null and k.deleted_at is null)`,
  deleted: `exists (${MARKED} k.deleted_at is not null and k.purged_at is null)`,
} as const;

export interface ExperimentListRow extends ExperimentSummaryRow {
  /** As text that gives the same value back. */
  sort_key: string;
}

/**
 * One page in the order of (sort key, number). The page is chosen first and its trials are counted after, so that a sort
 * over a hundred thousand experiments does not count the trials of each.
 */
export async function listExperiments(
  pool: pg.Pool,
  filter: ExperimentsFilter,
): Promise<ExperimentListRow[]> {
  const values: unknown[] = [];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const { word, descending } = filter.sort;
  // Numbers are what new ones have most of: by them nothing has to be computed.
  const key = word === "id" ? undefined : sortKey(word, descending);
  const conditions = [SHOWN[filter.show], filterCondition(filter.terms ?? [], bind)];
  if (filter.state !== undefined) conditions.push(`e.state = ${bind(filter.state)}`);
  if (filter.label !== undefined) conditions.push(`${bind(filter.label)}::text = any(e.labels)`);
  if (filter.after) {
    const sign = descending ? "<" : ">";
    const id = `${bind(filter.after.id)}::int`;
    conditions.push(
      key === undefined
        ? `e.id ${sign} ${id}`
        : `(${key.expression}, e.id) ${sign} (${keyValue(key, bind(filter.after.key))}, ${id})`,
    );
  }
  const order = descending ? "desc" : "asc";
  const by = key === undefined ? `e.id ${order}` : `${key.expression} ${order}, e.id ${order}`;
  const { rows } = await pool.query<ExperimentListRow>(
    `with page as materialized (
       select id, ${key ? keyText(key, "sort_value") : "''"} as sort_key, row_number() over () as place from (
         select e.id, ${key?.expression ?? "null"} as sort_value
         from experiments e
         where ${conditions.join(" and ")} order by ${by} limit ${bind(filter.limit)}) chosen)
     select s.*, page.sort_key from page cross join lateral (${SUMMARY} where e.id = page.id) s
     order by page.place`,
    values,
  );
  return rows;
}

/** Of all experiments that are neither archived nor deleted and that fit, by number. */
export async function experimentIds(
  pool: pg.Pool,
  terms: readonly FilterTerm[],
): Promise<number[]> {
  const values: unknown[] = [];
  const condition = filterCondition(terms, (value) => `$${values.push(value)}`);
  const { rows } = await pool.query<{ id: number }>(
    `select e.id from experiments e where ${SHOWN.current} and ${condition} order by e.id`,
    values,
  );
  return rows.map(({ id }) => id);
}

/** Which of these trials an experiment does not have. */
export async function unknownTrials(
  pool: pg.Pool,
  experiment: number,
  numbers: readonly number[],
): Promise<number[]> {
  const { rows } = await pool.query<{ n: number }>(
    `select n from unnest($2::int[]) as n where not exists
       (select 1 from trials t where t.experiment_id = $1 and t.number = n) order by n`,
    [experiment, numbers],
  );
  return rows.map(({ n }) => n);
}

export async function readExperiment(
  pool: pg.Pool,
  id: number,
): Promise<ExperimentSummaryRow | undefined> {
  const { rows } = await pool.query<ExperimentSummaryRow>(`${SUMMARY} where e.id = $1`, [id]);
  return rows[0];
}

/** Of an experiment, what costs nothing to read: neither its trials are counted nor its search's state is fetched. */
export interface ExperimentHead
  extends Pick<ExperimentRow, "id" | "code" | "config" | "search_spec" | "core" | "ended_at">,
    Purged {}

/** For whoever asks whether it is there, or how it was declared. */
export async function readExperimentHead(
  pool: pg.Pool,
  id: number,
): Promise<ExperimentHead | undefined> {
  const { rows } = await pool.query<ExperimentHead>(
    `select e.id, e.code, e.config, e.search_spec, e.core, e.ended_at, k.deleted_by, k.purged_at
     from experiments e left join experiment_marks k on k.experiment_id = e.id where e.id = $1`,
    [id],
  );
  return rows[0];
}

export interface TrialsFilter {
  readonly experiment: number;
  readonly state?: string | undefined;
  /** Of its latest verdict; none = it has none. */
  readonly verdict?: string | undefined;
  /** Sorts by the best objective; absent = by number. */
  readonly best?: { readonly smallerIsBetter: boolean } | undefined;
  readonly after?: { readonly key: number; readonly number: number } | undefined;
  readonly limit: number;
}

export interface TrialListRow extends TrialRow {
  sort_key: number;
}

export async function listTrials(pool: pg.Pool, filter: TrialsFilter): Promise<TrialListRow[]> {
  const sign = filter.best?.smallerIsBetter === false ? -1 : 1;
  const key = filter.best ? `coalesce(${sign} * best_objective, 'Infinity'::float8)` : "0::float8";
  const { rows } = await pool.query<TrialListRow>(
    `select t.*, ${key} as sort_key from trials t
     where experiment_id = $1 and ($2::text is null or state = $2)
       and ($3::float8 is null or (${key}, number) > ($3, $4))
       and ($6::text is null or $6 = coalesce((select v.state from verdicts v
         where (v.experiment_id = t.experiment_id and v.trial_number = t.number)
           or (v.replay_id = t.experiment_id and t.number = 1)
         order by v.replay_id is not distinct from t.experiment_id, v.at desc limit 1), 'none'))
     order by ${key}, number limit $5`,
    [
      filter.experiment,
      filter.state ?? null,
      filter.after ? String(filter.after.key) : null,
      filter.after?.number ?? 0,
      filter.limit,
      filter.verdict ?? null,
    ],
  );
  return rows;
}

export async function readTrial(
  pool: pg.Pool,
  experiment: number,
  number: number,
): Promise<(TrialRow & Purged) | undefined> {
  const { rows } = await pool.query<TrialRow & Purged>(
    `select t.*, k.deleted_by, k.purged_at from trials t
     left join experiment_marks k on k.experiment_id = t.experiment_id
     where t.experiment_id = $1 and t.number = $2`,
    [experiment, number],
  );
  return rows[0];
}

/** One run of a trial. */
export async function readAllocation(
  pool: pg.Pool,
  of: { readonly experiment: number; readonly trial: number; readonly run: number },
): Promise<AllocationRow | undefined> {
  const { rows } = await pool.query<AllocationRow>(
    "select * from allocations where experiment_id = $1 and trial_number = $2 and run = $3",
    [of.experiment, of.trial, of.run],
  );
  return rows[0];
}

export interface TrialExtras {
  readonly allocations: readonly AllocationRow[];
  readonly decisions: readonly {
    at: Date;
    what: "create" | "train" | "pause" | "stop";
    target: number | null;
    code: string;
    text: string;
    standing: unknown;
  }[];
  readonly metricNames: readonly string[];
}

export async function readTrialExtras(pool: pg.Pool, trial: TrialRow): Promise<TrialExtras> {
  const key = [trial.experiment_id, trial.number];
  const [allocations, decisions, names] = await Promise.all([
    pool.query(
      "select * from allocations where experiment_id = $1 and trial_number = $2 order by run",
      key,
    ),
    pool.query(
      `select at, what, target, code, text, standing from decisions
       where experiment_id = $1 and trial_number = $2 order by seq`,
      key,
    ),
    // A loose index scan: one probe a name instead of a walk over every point.
    pool.query<{ name: string }>(
      `with recursive used as (
         (select name_id from metrics where trial_id = $1 order by name_id limit 1)
         union all
         select (select m.name_id from metrics m where m.trial_id = $1 and m.name_id > used.name_id
                 order by m.name_id limit 1)
         from used where used.name_id is not null)
       select n.name from used join metric_names n on n.id = used.name_id order by n.name`,
      [trial.id],
    ),
  ]);
  return {
    allocations: allocations.rows,
    decisions: decisions.rows,
    metricNames: names.rows.map((row) => row.name),
  };
}

export interface ChangeRow {
  seq: number;
  at: Date;
  actor: string;
  subject: string;
  what: string;
  cause: string;
}

/** Oldest first, of one experiment and its trials. */
export async function listChanges(
  pool: pg.Pool,
  filter: { experiment: number; after: number; limit: number },
): Promise<ChangeRow[]> {
  const { rows } = await pool.query<ChangeRow>(
    `select seq, at, actor, subject, what, cause from changes
     where experiment_id = $1 and seq > $2 order by seq limit $3`,
    [filter.experiment, filter.after, filter.limit],
  );
  return rows;
}
