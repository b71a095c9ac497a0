/** Rows as the nouns of the API. Pure; what is computed here is computed nowhere else. */
import type { z } from "zod";
import { reviveExact, toWire, wireOrNull } from "../base/json.ts";
import { energyKwh, moneySpent } from "../core/budget.ts";
import { grantedSlotMs } from "../core/lifecycle/experiment.ts";
import { NOTHING_HELD } from "../core/lifecycle/holding.ts";
import { RESTORABLE_MS } from "../core/retention/retention.ts";
import type { RungView, Standing } from "../core/search/search.ts";
import type * as api from "../protocol/api.ts";
import type { Plan } from "../protocol/api.ts";
import type { ExperimentConfig } from "../protocol/config/config.ts";
import type { DescendantRow } from "../store/ancestry-reads.ts";
import type { CheckpointListRow } from "../store/checkpoint-reads.ts";
import type { ExperimentSummaryRow, TrialExtras } from "../store/experiment-reads.ts";
import type { LogRow } from "../store/log-store.ts";
import type { RanIn } from "../store/record-store.ts";
import type { AllocationRow, AncestryRow, TrialRow, VerdictRow } from "../store/schema.ts";
import type { VerdictBook } from "./replay/verdict-book.ts";

const iso = (date: Date): string => date.toISOString();
const isoOrNull = (date: Date | null): string | null => date?.toISOString() ?? null;

export function experimentView(
  row: ExperimentSummaryRow,
  now: Date,
  verdicts: Pick<VerdictBook, "ofExperiment">,
): api.Experiment {
  const config = row.config as unknown as ExperimentConfig;
  const slotMs = Number(row.slot_ms) + grantedSlotMs(row.grants, now.getTime());
  const plan = row.plan as unknown as Plan;
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    labels: row.labels,
    workspace: row.workspace,
    project: row.project,
    owner: row.owner,
    state: row.state as api.ExperimentState,
    reason: row.reason,
    created_at: iso(row.created_at),
    started_at: isoOrNull(row.started_at),
    ended_at: isoOrNull(row.ended_at),
    progress: row.progress,
    unit: unitOf(config),
    searcher: {
      name: row.search_spec.method.name,
      metric: config.searcher.metric ?? "",
      smaller_is_better: config.searcher.smaller_is_better,
      reason: row.searcher_reason,
    },
    trials: {
      total: row.total,
      queued: row.queued,
      running: row.running,
      paused: row.paused,
      completed: row.completed,
      canceled: row.canceled,
      error: row.error,
      replacements: row.replacements,
    },
    best:
      row.best_trial === null || row.best_objective === null
        ? null
        : {
            trial: `${row.id}.${row.best_trial}`,
            step: row.best_step ?? 0,
            objective: toWire(row.best_objective),
          },
    plan,
    datasets: datasetsOf(row.data),
    spent: {
      trials: row.total,
      steps: row.steps,
      seconds:
        row.started_at === null
          ? 0
          : Math.max(0, (row.ended_at ?? now).getTime() - row.started_at.getTime()) / 1000,
      slot_seconds: slotMs / 1000,
      money: config.budget?.money
        ? {
            amount: moneySpent(slotMs, config.budget.money.per_slot_hour),
            currency: config.budget.money.currency,
          }
        : null,
      energy_kwh_estimated: config.budget?.energy
        ? energyKwh(slotMs, config.budget.energy.watts_per_slot)
        : null,
      held: heldView(row),
    },
    code: row.code,
    verdict: verdicts.ofExperiment(row.id),
    archived_at: isoOrNull(row.archived_at),
    deleted:
      row.deleted_at === null
        ? null
        : {
            at: iso(row.deleted_at),
            by: row.deleted_by ?? "",
            restorable_until: iso(new Date(row.deleted_at.getTime() + RESTORABLE_MS)),
          },
    notes: row.notes,
    task: taskView(config, row.unused_since_ms),
    priority: row.priority,
  };
}

function taskView(
  { task }: ExperimentConfig,
  unusedSinceMs: number | null,
): api.Experiment["task"] {
  // Absent in configurations that were stored before the field was there.
  if (task == null) return null;
  return {
    kind: task.kind,
    idle_timeout_s: task.idle_timeout === 0 ? null : task.idle_timeout,
    idle_since: unusedSinceMs === null ? null : iso(new Date(unusedSinceMs)),
  };
}

/** Of what is no version of a dataset nothing is known. */
const datasetsOf = (data: ExperimentSummaryRow["data"]): string[] => {
  const names = Object.values(data).map(
    (value) => (value as { dataset?: unknown } | null)?.dataset,
  );
  return [...new Set(names.filter((name) => typeof name === "string"))].toSorted();
};

const trialOrNull = ({ parent_experiment, parent_trial }: AncestryRow): string | null =>
  parent_trial === null ? null : `${parent_experiment}.${parent_trial}`;

export function ancestryView(row: AncestryRow): api.Ancestry {
  return {
    kind: row.kind,
    experiment: row.parent_experiment,
    trial: trialOrNull(row),
    label: row.parent_label,
    overrides: [...row.overrides] as api.Override[],
    at: iso(row.at),
  };
}

export function descendantView(row: DescendantRow): api.Descendant {
  return {
    experiment: row.experiment_id,
    name: row.name,
    state: row.state as api.ExperimentState,
    kind: row.kind,
    trial: trialOrNull(row),
    overrides: [...row.overrides] as api.Override[],
    at: iso(row.at),
  };
}

export function verdictView(row: VerdictRow): api.Verdict {
  const { state, text, detail } = row;
  return {
    trial: `${row.experiment_id}.${row.trial_number}`,
    ...{ state, text, detail },
    replay: row.replay_id,
    asked_by: row.asked_by,
    at: iso(row.at),
  };
}

function heldView({
  core,
  search_spec: spec,
}: ExperimentSummaryRow): api.Experiment["spent"]["held"] {
  if (!spec.deterministic) return null;
  const { results, ms, msMax, slotMs } = core.held ?? NOTHING_HELD;
  return {
    ...{ results, seconds: ms / 1000, seconds_max: msMax / 1000 },
    slot_seconds: slotMs / 1000,
  };
}

/** A search without a length counts to the largest number there is; people are told that there is no limit. */
const limitOrNull = (step: number | null): number | null =>
  step === null || step >= Number.MAX_SAFE_INTEGER ? null : step;

/** The name of what a step is, e.g. epochs. */
export function unitOf(config: ExperimentConfig): string {
  const { searcher } = config;
  if (searcher.time_metric !== null) return searcher.time_metric;
  return Object.keys(searcher.max_length ?? { steps: 0 })[0] ?? "steps";
}

/** What counts the time of a trial that holds slots now. */
export interface SlotMeter {
  readonly nowMs: number;
  readonly slotsPerTrial: number;
  /** What is known of the runner of a trial, where that is silent. */
  readonly silence?: (trial: number) => api.Silence | undefined;
}

/** States in which something other than the row may know better. */
const WAITS: ReadonlySet<string> = new Set(["queued", "starting"]);

/**
 * @param reason of a trial that waits: what the scheduler says it waits for, or the engine that has its job
 * @param meter where its experiment lives: what its allocation has used so far is counted in
 */
export function trialView(
  row: TrialRow,
  verdicts: Pick<VerdictBook, "ofTrial">,
  reason?: string,
  meter?: SlotMeter,
): api.Trial {
  const id = `${row.experiment_id}.${row.number}`;
  const silent = meter?.silence?.(row.number);
  return {
    id,
    experiment: row.experiment_id,
    number: row.number,
    state: row.state as api.TrialState,
    reason: reason !== undefined && WAITS.has(row.state) ? reason : row.reason,
    end_reason: row.end_reason as api.EndReason | null,
    hyperparameters: row.hyperparameters as api.Trial["hyperparameters"],
    seed: Number(row.seed),
    bracket: row.bracket,
    target: limitOrNull(row.target),
    step: row.step,
    objective: wireOrNull(row.objective),
    best:
      row.best_step === null || row.best_objective === null
        ? null
        : { step: row.best_step, objective: toWire(row.best_objective) },
    checkpoint:
      row.core.checkpoint === null
        ? null
        : { id: row.core.checkpoint.tree, step: row.core.checkpoint.step },
    restarts: row.restarts,
    verdict: verdicts.ofTrial(row.experiment_id, row.number),
    ...(silent === undefined ? {} : { silent }),
    slot_seconds: (row.slot_ms + runningMs(row, meter)) / 1000,
    created_at: iso(row.created_at),
    started_at: isoOrNull(row.started_at),
    ended_at: isoOrNull(row.ended_at),
  };
}

function runningMs({ core: { allocation } }: TrialRow, meter: SlotMeter | undefined): number {
  if (!allocation || allocation.queued || !meter) return 0;
  return Math.max(0, meter.nowMs - allocation.sinceMs) * meter.slotsPerTrial;
}

export function trialDetailView(
  row: TrialRow,
  extras: TrialExtras,
  more: {
    verdicts: Pick<VerdictBook, "ofTrial">;
    reason?: string;
    meter?: SlotMeter | undefined;
    lastLines: readonly string[];
    container?: RanIn | undefined;
    nodes?: ReadonlyMap<number, readonly string[]>;
  },
): api.TrialDetail {
  return {
    ...trialView(row, more.verdicts, more.reason, more.meter),
    allocations: extras.allocations.map((row) => {
      const nodes = more.nodes?.get(row.run);
      return { ...allocationView(row), ...(nodes === undefined ? {} : { nodes: [...nodes] }) };
    }),
    decisions: extras.decisions.map((decision) => ({
      at: iso(decision.at),
      what: decision.what,
      target: limitOrNull(decision.target),
      code: decision.code,
      text: decision.text,
      standing:
        decision.standing === null
          ? null
          : standingView(row.experiment_id, reviveExact(decision.standing) as Standing),
    })),
    refused_metrics: row.refused_metrics,
    metric_names: [...extras.metricNames],
    last_lines: [...more.lastLines],
    ...(more.container === undefined ? {} : { container: more.container }),
  };
}

export function allocationView(row: AllocationRow): z.infer<typeof api.allocation> {
  return {
    id: `${row.experiment_id}.${row.trial_number}.${row.run}`,
    run: row.run,
    slots: row.slots,
    runner: row.runner,
    state: row.state,
    start_step: row.start_step,
    created_at: iso(row.created_at),
    started_at: isoOrNull(row.started_at),
    ended_at: isoOrNull(row.ended_at),
    end: row.end_kind as api.AllocationEnd | null,
    exit_code: row.exit_code,
    signal: row.signal,
    exit_heard_at: isoOrNull(row.exit_heard_at),
    reason: row.reason,
  };
}

export function standingView(experiment: number, standing: Standing): z.infer<typeof api.standing> {
  return {
    bracket: standing.bracket,
    rung: standing.rung,
    step: standing.step,
    objective: toWire(standing.objective),
    rank: standing.rank,
    of: standing.of,
    passing: standing.passing,
    threshold: standing.threshold === undefined ? null : toWire(standing.threshold),
    competitors: standing.competitors.map((competitor) => ({
      trial: `${experiment}.${competitor.trial}`,
      objective: wireOrNull(competitor.objective),
    })),
  };
}

export function rungView(experiment: number, rung: RungView): api.Rung {
  return {
    bracket: rung.bracket,
    rung: rung.rung,
    step: limitOrNull(rung.step),
    expected: rung.expected ?? null,
    entries: rung.entries.map((entry) => ({
      trial: `${experiment}.${entry.trial}`,
      objective: wireOrNull(entry.objective),
      outcome: entry.outcome,
    })),
  };
}

export function checkpointView(row: CheckpointListRow): api.Checkpoint {
  return {
    id: row.tree,
    trial: `${row.experiment_id}.${row.number}`,
    run: row.run,
    step: row.step,
    created_at: iso(row.created_at),
    files: row.files,
    bytes: row.bytes,
    metadata: row.metadata as api.Checkpoint["metadata"],
    objective: wireOrNull(row.objective),
    pinned: row.pinned,
    deleted:
      row.deleted_at === null ? null : { at: iso(row.deleted_at), why: row.deleted_why ?? "" },
  };
}

const decoder = new TextDecoder("utf-8");

/** @param cursor where a reader goes on after this line */
export function logView(experiment: number, row: LogRow, cursor = ""): api.LogEntry {
  const text = decoder.decode(row.bytes);
  const exact = Buffer.from(text).equals(row.bytes);
  return {
    cursor,
    trial: `${experiment}.${row.trial_number}`,
    run: row.run,
    line: Number(row.seq),
    at: iso(row.at),
    rank: row.rank,
    stream: row.stream === 1 ? "stdout" : "stderr",
    text,
    ...(exact ? {} : { bytes: row.bytes.toString("base64") }),
    complete: row.complete,
  };
}
