/**
 * Everything that is stored of an experiment, or of one of its trials, in the shape of a bundle's lines. Page by page, so
 * that neither a search of a hundred thousand decisions nor a million lines of output is ever held as a whole.
 */
import type pg from "pg";
import { type Json, toWire, wireOrNull } from "../base/json.ts";
import type {
  BundleAuditEvent,
  BundleCheckpoint,
  BundleDecision,
  BundleEnvironment,
  BundleExperiment,
  BundleRecord,
  BundleReport,
  BundleRun,
  BundleSearchEvent,
  BundleTrial,
  BundleVerdict,
} from "../protocol/bundle.ts";
import { maskedAt, maskedConfig, maskedConfigText } from "../protocol/config/masked.ts";
import { listChained } from "./audit-reads.ts";
import type { ExperimentSummaryRow } from "./experiment-reads.ts";
import { namesOfTrial } from "./metric-reads.ts";
import type { AllocationRow, CheckpointRow, TrialRow, VerdictRow } from "./schema.ts";
import { listSearchLog } from "./search-log.ts";

export interface BundleSubject {
  readonly experiment: number;
  /** Absent = all of them. */
  readonly trial?: number | undefined;
}

const PAGE = 1000;

const iso = (date: Date): string => date.toISOString();
const isoOrNull = (date: Date | null): string | null => date?.toISOString() ?? null;

/** Pages until one is not full. @param next gets the last row of the page before */
async function* paged<R>(next: (last: R | undefined) => Promise<R[]>): AsyncGenerator<R> {
  let last: R | undefined;
  for (;;) {
    const rows = await next(last);
    yield* rows;
    last = rows.at(-1);
    if (rows.length < PAGE) return;
  }
}

/** Secrets stay behind: whoever imports it gives their own. @param ancestry as the API shows it */
export function experimentForBundle(
  row: ExperimentSummaryRow,
  ancestry: BundleExperiment["ancestry"],
): BundleExperiment {
  const { best_trial: trial, best_step: step, best_objective: objective } = row;
  const whole: BundleExperiment = {
    ...{ id: row.id, name: row.name, description: row.description, labels: row.labels },
    ...{ workspace: row.workspace, project: row.project, owner: row.owner },
    ...{ state: row.state as BundleExperiment["state"], reason: row.reason },
    config: maskedConfig(row.config) as BundleExperiment["config"],
    config_text: maskedConfigText(row.config_text),
    data: row.data as BundleExperiment["data"],
    ...{ seed: Number(row.seed), code: row.code },
    provenance: row.provenance as BundleExperiment["provenance"],
    ancestry,
    plan: row.plan as BundleExperiment["plan"],
    searcher_reason: row.searcher_reason,
    search_spec: row.search_spec as unknown as BundleExperiment["search_spec"],
    progress: row.progress,
    best:
      trial === null || objective === null
        ? null
        : { trial, step: step ?? 0, objective: toWire(objective) },
    ...{ steps: row.steps, slot_ms: row.slot_ms, notes: row.notes, priority: row.priority },
    created_at: iso(row.created_at),
    started_at: isoOrNull(row.started_at),
    ended_at: isoOrNull(row.ended_at),
  };
  // A text as a whole has a form to keep.
  return { ...masked(whole), config_text: whole.config_text };
}

/** As in the configuration, wherever its values came to stand. */
const masked = <T>(row: T): T => maskedAt(row as Json) as T;

export async function* trialsForBundle(
  pool: pg.Pool,
  { experiment, trial }: BundleSubject,
): AsyncGenerator<BundleTrial> {
  const rows = paged<TrialRow>(async (last) => {
    const { rows } = await pool.query<TrialRow>(
      `select * from trials where experiment_id = $1 and ($2::int is null or number = $2) and number > $3
       order by number limit ${PAGE}`,
      [experiment, trial ?? null, last?.number ?? 0],
    );
    return rows;
  });
  for await (const row of rows)
    yield {
      ...{ number: row.number, state: row.state as BundleTrial["state"] },
      end_reason: row.end_reason as BundleTrial["end_reason"],
      reason: row.reason,
      hyperparameters: masked(row.hyperparameters as BundleTrial["hyperparameters"]),
      ...{ seed: Number(row.seed), bracket: row.bracket, target: row.target, step: row.step },
      objective: wireOrNull(row.objective),
      best:
        row.best_step === null || row.best_objective === null
          ? null
          : { step: row.best_step, objective: toWire(row.best_objective) },
      checkpoint: row.core.checkpoint && {
        ...{ id: row.core.checkpoint.tree, step: row.core.checkpoint.step },
      },
      ...{ restarts: row.restarts, slot_ms: row.slot_ms, refused_metrics: row.refused_metrics },
      created_at: iso(row.created_at),
      started_at: isoOrNull(row.started_at),
      ended_at: isoOrNull(row.ended_at),
    };
}

export async function* runsForBundle(
  pool: pg.Pool,
  { experiment, trial }: BundleSubject,
): AsyncGenerator<BundleRun> {
  const rows = paged<AllocationRow>(async (last) => {
    const { rows } = await pool.query<AllocationRow>(
      `select * from allocations where experiment_id = $1 and ($2::int is null or trial_number = $2)
         and (trial_number, run) > ($3, $4)
       order by trial_number, run limit ${PAGE}`,
      [experiment, trial ?? null, last?.trial_number ?? 0, last?.run ?? 0],
    );
    return rows;
  });
  for await (const row of rows)
    yield {
      ...{ trial: row.trial_number, run: row.run, runner: row.runner, slots: row.slots },
      ...{ state: row.state, start_step: row.start_step, restored: row.restore_tree },
      end: row.end_kind as BundleRun["end"],
      ...{ exit_code: row.exit_code, signal: row.signal },
      exit_detail: row.exit_detail as BundleRun["exit_detail"],
      ...{ log_lines: row.log_lines, reason: row.reason },
      created_at: iso(row.created_at),
      started_at: isoOrNull(row.started_at),
      ended_at: isoOrNull(row.ended_at),
      exit_heard_at: isoOrNull(row.exit_heard_at),
    };
}

export async function* decisionsForBundle(
  pool: pg.Pool,
  { experiment, trial }: BundleSubject,
): AsyncGenerator<BundleDecision> {
  type Row = Omit<BundleDecision, "at" | "trial"> & { trial_number: number; at: Date };
  const rows = paged<Row>(async (last) => {
    const { rows } = await pool.query<Row>(
      `select trial_number, seq, at, what, target, code, text, standing from decisions
       where experiment_id = $1 and ($2::int is null or trial_number = $2) and (trial_number, seq) > ($3, $4)
       order by trial_number, seq limit ${PAGE}`,
      [experiment, trial ?? null, last?.trial_number ?? 0, last?.seq ?? 0],
    );
    return rows;
  });
  for await (const { trial_number, at, ...row } of rows)
    yield { trial: trial_number, ...row, at: iso(at) };
}

/** Of the whole search, also where the bundle is of one trial: only whole can it be decided again. */
export async function* searchForBundle(
  pool: pg.Pool,
  { experiment }: BundleSubject,
): AsyncGenerator<BundleSearchEvent> {
  const rows = paged<BundleSearchEvent>(
    async (last) =>
      (await listSearchLog(pool, {
        ...{ experiment, after: last?.seq ?? 0, limit: PAGE },
      })) as BundleSearchEvent[],
  );
  for await (const row of rows) yield masked(row);
}

/** Reports of which the metrics do not speak. */
export async function* emptyReportsForBundle(
  pool: pg.Pool,
  trial: { readonly id: number; readonly number: number },
): AsyncGenerator<BundleReport> {
  const names = (await namesOfTrial(pool, trial.id)).map(({ id }) => id);
  type Row = Omit<BundleReport, "at" | "trial"> & { at: Date; is_empty: boolean };
  const rows = paged<Row>(async (last) => {
    const { rows } = await pool.query<Row>(
      `select r.run, r.seq, r.step, r.at, not exists (
         select 1 from unnest($2::int[]) as n where exists (select 1 from metrics m
           where m.trial_id = $1 and m.name_id = n and m.step = r.step and m.run = r.run and m.seq = r.seq)) as is_empty
       from reports r where r.trial_id = $1 and (r.run, r.seq) > ($3, $4) order by r.run, r.seq limit ${PAGE}`,
      [trial.id, names, last?.run ?? 0, last?.seq ?? 0],
    );
    return rows;
  });
  for await (const { is_empty, at, ...row } of rows)
    if (is_empty) yield { trial: trial.number, ...row, at: iso(at) };
}

export async function* checkpointsForBundle(
  pool: pg.Pool,
  { experiment, trial }: BundleSubject,
): AsyncGenerator<BundleCheckpoint> {
  type Row = CheckpointRow & { number: number };
  const rows = paged<Row>(async (last) => {
    const { rows } = await pool.query<Row>(
      `select c.*, t.number from checkpoints c join trials t on t.id = c.trial_id
       where t.experiment_id = $1 and ($2::int is null or t.number = $2)
         and (t.number, c.step, c.run, c.tree) > ($3, $4, $5, $6)
       order by t.number, c.step, c.run, c.tree limit ${PAGE}`,
      [
        ...[experiment, trial ?? null, last?.number ?? 0],
        ...[last?.step ?? -1, last?.run ?? 0, last?.tree ?? ""],
      ],
    );
    return rows;
  });
  for await (const row of rows)
    yield {
      ...{ trial: row.number, run: row.run, step: row.step, id: row.tree },
      ...{ files: row.files, bytes: row.bytes },
      metadata: row.metadata as BundleCheckpoint["metadata"],
      created_at: iso(row.created_at),
      deleted: row.deleted_at && { at: iso(row.deleted_at), why: row.deleted_why ?? "" },
    };
}

export async function* environmentsForBundle(
  pool: pg.Pool,
  { experiment, trial }: BundleSubject,
): AsyncGenerator<BundleEnvironment> {
  type Row = Omit<BundleEnvironment, "at"> & { at: Date };
  const rows = paged<Row>(async (last) => {
    const { rows } = await pool.query<Row>(
      `select hash, document, at from environments e where hash > $3 and exists (
         select 1 from records r where r.environment = e.hash and r.experiment_id = $1
           and ($2::int is null or r.trial_number = $2))
       order by hash limit ${PAGE}`,
      [experiment, trial ?? null, last?.hash ?? ""],
    );
    return rows;
  });
  for await (const row of rows) yield { ...row, at: iso(row.at) };
}

export async function* recordsForBundle(
  pool: pg.Pool,
  { experiment, trial }: BundleSubject,
): AsyncGenerator<BundleRecord> {
  type Row = Omit<BundleRecord, "at" | "trial"> & { at: Date; trial_number: number };
  const rows = paged<Row>(async (last) => {
    const { rows } = await pool.query<Row>(
      `select trial_number, run, source, at, environment, document from records
       where experiment_id = $1 and ($2::int is null or trial_number = $2) and (trial_number, run, source) > ($3, $4, $5)
       order by trial_number, run, source limit ${PAGE}`,
      [experiment, trial ?? null, last?.trial_number ?? 0, last?.run ?? 0, last?.source ?? ""],
    );
    return rows;
  });
  for await (const { trial_number, at, ...row } of rows)
    yield { trial: trial_number, ...row, at: iso(at) };
}

export async function* verdictsForBundle(
  pool: pg.Pool,
  { experiment, trial }: BundleSubject,
): AsyncGenerator<BundleVerdict> {
  const rows = paged<VerdictRow>(async (last) => {
    const { rows } = await pool.query<VerdictRow>(
      `select * from verdicts where experiment_id = $1 and ($2::int is null or trial_number = $2)
         and (trial_number, at) > ($3, $4) order by trial_number, at limit ${PAGE}`,
      [experiment, trial ?? null, last?.trial_number ?? 0, last?.at ?? new Date(0)],
    );
    return rows;
  });
  for await (const { trial_number, at, state, text, replay_id, detail, asked_by } of rows)
    yield {
      ...{ trial: trial_number, at: iso(at), state, text, replay: replay_id },
      ...{ detail, asked_by },
    };
}

export async function* auditForBundle(
  pool: pg.Pool,
  subject: BundleSubject,
): AsyncGenerator<BundleAuditEvent> {
  yield* paged<BundleAuditEvent>(async (last) => {
    const rows = await listChained(pool, { ...subject, after: last?.seq ?? 0, limit: PAGE });
    return rows.map(({ seq, experimentId, ...row }) => ({
      ...{ ...row, seq: Number(seq), experiment: experimentId },
    }));
  });
}
