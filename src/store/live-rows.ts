/**
 * Core's state of an experiment as rows, and back. What the server keeps in memory is rebuilt from exactly
 * these rows after a crash, so the two directions stand side by side.
 */
import type pg from "pg";
import { reviveExact, toWire } from "../base/json.ts";
import type { Experiment, ExperimentCore } from "../core/lifecycle/experiment.ts";
import { type TrialState, trialStateName } from "../core/lifecycle/trial.ts";
import type { SearchEvent } from "../core/search/search.ts";
import type { AllocationRow, ExperimentRow, TrialRow } from "./schema.ts";
import { storable, storableJson } from "./storable.ts";

const date = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));
const measured = (value: number | undefined): number | string | null =>
  value === undefined ? null : toWire(value);

/** The columns of an experiment that change while it lives. */
export function experimentUpdate(core: ExperimentCore) {
  return {
    state: core.run,
    reason: storable(core.reason),
    core: storableJson(core),
    progress: core.progress,
    best_trial: core.best?.trial ?? null,
    best_step: core.best?.step ?? null,
    best_objective: measured(core.best?.value),
    steps: core.steps,
    slot_ms: Math.round(core.slotMs),
    started_at: date(core.startedAtMs),
    ended_at: date(core.endedAtMs),
  };
}

/** The hyperparameters have their own column and never change, so they are left out of `core`. */
export function trialRow(
  experiment: { readonly id: number; readonly core: ExperimentCore },
  trial: TrialState,
  own: { readonly id: number; readonly refused: Readonly<Record<string, string>> },
) {
  const { hyperparameters: _hyperparameters, ...core } = trial;
  return {
    ...trialFacts(experiment, trial, own.id),
    core: storableJson(core),
    refused_metrics: storableJson(own.refused),
  };
}

/** The columns that are shown; those that hold whole documents cost more than all of these. */
export function trialFacts(
  experiment: { readonly id: number; readonly core: ExperimentCore },
  trial: TrialState,
  id: number,
) {
  return {
    id,
    experiment_id: experiment.id,
    number: trial.number,
    state: trialStateName(trial, experiment.core.run === "paused"),
    end_reason: trial.over,
    reason: storable(trial.reason),
    hyperparameters: trial.hyperparameters,
    seed: trial.seed,
    bracket: trial.bracket,
    target: trial.target,
    step: trial.step,
    objective: measured(trial.objective?.value),
    best_step: trial.best?.step ?? null,
    best_objective: measured(trial.best?.value),
    restarts: trial.restarts,
    slot_ms: Math.round(trial.slotMs),
    created_at: new Date(trial.createdAtMs),
    started_at: date(trial.startedAtMs),
    ended_at: date(trial.endedAtMs),
  };
}

/** Gives back the trial that `trialRow` wrote. */
export function trialFromRow(row: TrialRow): TrialState {
  return { ...reviveExact(row.core), hyperparameters: row.hyperparameters };
}

export interface StoredExperiment {
  readonly row: ExperimentRow & { readonly owner: string };
  readonly trials: readonly TrialRow[];
  readonly allocations: readonly AllocationRow[];
  /** What the search was told after its saved state. */
  readonly searchTail: readonly { readonly event: SearchEvent; readonly atMs: number }[];
  readonly lastDecision: number;
}

/** @param ids which; absent = all that have not ended */
export async function loadExperiments(
  client: pg.ClientBase | pg.Pool,
  ids?: readonly number[],
): Promise<StoredExperiment[]> {
  const which = ids === undefined ? "e.ended_at is null" : "e.id = any($1::int[])";
  const values = ids === undefined ? [] : [ids];
  const experiments = await client.query<ExperimentRow & { owner: string }>(
    `select e.*, u.name as owner from experiments e join users u on u.id = e.owner_id
     where ${which} order by e.id`,
    values,
  );
  const found = experiments.rows.map((row) => row.id);
  const [trials, allocations, events, decisions] = [
    await client.query<TrialRow>(
      "select * from trials where experiment_id = any($1::int[]) order by experiment_id, number",
      [found],
    ),
    await client.query<AllocationRow>(
      "select * from allocations where experiment_id = any($1::int[]) and state <> 'ended'",
      [found],
    ),
    await client.query<{ experiment_id: number; event: SearchEvent; at_ms: number }>(
      `select s.experiment_id, s.event, s.at_ms from search_events s join experiments e on e.id = s.experiment_id
       where e.id = any($1::int[]) and s.seq > e.search_events order by s.experiment_id, s.seq`,
      [found],
    ),
    await client.query<{ experiment_id: number; last: number }>(
      "select experiment_id, max(seq) as last from decisions where experiment_id = any($1::int[]) group by 1",
      [found],
    ),
  ];
  const trialsOf = Map.groupBy(trials.rows, (row) => row.experiment_id);
  const allocationsOf = Map.groupBy(allocations.rows, (row) => row.experiment_id);
  const eventsOf = Map.groupBy(events.rows, (row) => row.experiment_id);
  const lastOf = new Map(decisions.rows.map((row) => [row.experiment_id, row.last]));
  return experiments.rows.map((row) => ({
    row: { ...row, core: reviveExact(row.core), search_state: reviveExact(row.search_state) },
    trials: trialsOf.get(row.id) ?? [],
    allocations: allocationsOf.get(row.id) ?? [],
    searchTail: (eventsOf.get(row.id) ?? []).map((e) => ({
      event: reviveExact(e.event),
      atMs: Number(e.at_ms),
    })),
    lastDecision: lastOf.get(row.id) ?? 0,
  }));
}

/** The experiment as core had it when the rows were written; the search is brought up to date by the caller. */
export function experimentFromStored(
  stored: StoredExperiment,
  spec: Experiment["spec"],
): Experiment {
  const trials = new Map(stored.trials.map((row) => [row.number, trialFromRow(row)]));
  const live = new Set([...trials.values()].filter((t) => t.over === null).map((t) => t.number));
  return { spec, core: stored.row.core, search: stored.row.search_state, trials, live };
}
