/**
 * An experiment that is not over, as the server holds it: core's state, and beside it what only the shell
 * needs to know (row ids, whose slots, which orders a runner has already heard).
 */
import type { JsonObject } from "../base/json.ts";
import type { Experiment, ExperimentSpec } from "../core/lifecycle/experiment.ts";
import type { ProcessesEnd } from "../core/lifecycle/trial.ts";
import { stepSearch } from "../core/search/methods.ts";
import { experimentFromStored, type StoredExperiment } from "../store/live-rows.ts";
import type { AllocationRow, ExperimentRow } from "../store/schema.ts";
import { storable, storableJson } from "../store/storable.ts";

/** The search's saved state is written again after this many events; reloading applies at most as many. */
export const SEARCH_SNAPSHOT_EVERY = 200;

export interface LiveAllocation {
  readonly id: number;
  readonly run: number;
  readonly runner: string;
  readonly slots: readonly string[];
  readonly startStep: number;
  readonly restoreTree: string | null;
  readonly createdAtMs: number;
  startedAtMs: number | null;
  pid: number | null;
  ordersVersion: number;
  /** The last version of its orders that is certainly durable: the one that holds if the present turn fails. */
  ordersBefore: number;
  ordersReason: string;
  /** Highest event of the runner's spool that is durable (or will be with this turn's commit). */
  acked: number;
}

/** An allocation that is not live any more, as the database knows it. */
export interface PastAllocation {
  readonly id: number;
  readonly run: number;
  readonly trialId: number;
  readonly trial: string;
  readonly acked: number;
  /** It was given up, and nobody has told how its processes ended. */
  readonly unseen: boolean;
}

export interface LiveExperiment {
  readonly id: number;
  readonly row: ExperimentRow & { readonly owner: string };
  readonly x: Experiment;
  priority: number;
  /** Most slots it may hold; undefined = no bound. */
  readonly slotsMax: number | undefined;
  /** Where it runs: its trials wait for slots of this pool alone. */
  readonly pool: string;
  readonly unit: string;
  readonly trials: Map<number, { readonly id: number; refused: Record<string, string> }>;
  /** By trial number; an entry for exactly the trials whose `allocation` is not null. */
  readonly allocations: Map<number, LiveAllocation>;
  searchEvents: number;
  searchSaved: number;
  lastDecision: number;
}

/** What the configuration says that core is not told. */
export interface ShellSettings {
  readonly spec: ExperimentSpec;
  readonly priority: number;
  readonly slotsMax: number | undefined;
  readonly pool: string;
  readonly unit: string;
}

/** Rebuilds what was in memory when the rows were written. */
export function revive(stored: StoredExperiment, settings: ShellSettings): LiveExperiment {
  const x = experimentFromStored(stored, settings.spec);
  for (const { event, atMs } of stored.searchTail)
    x.search = stepSearch(settings.spec.search, x.search, event, atMs).state;
  return {
    id: stored.row.id,
    row: stored.row,
    x,
    priority: stored.row.priority,
    slotsMax: settings.slotsMax,
    pool: settings.pool,
    unit: settings.unit,
    trials: new Map(
      stored.trials.map((row) => [row.number, { id: row.id, refused: row.refused_metrics }]),
    ),
    allocations: new Map(
      stored.allocations.map((row) => [row.trial_number, allocationFromRow(row)]),
    ),
    searchEvents: stored.row.search_events + stored.searchTail.length,
    searchSaved: stored.row.search_events,
    lastDecision: stored.lastDecision,
  };
}

function allocationFromRow(row: AllocationRow): LiveAllocation {
  return {
    id: row.id,
    run: row.run,
    runner: row.runner,
    slots: row.slots,
    startStep: row.start_step,
    restoreTree: row.restore_tree,
    createdAtMs: row.created_at.getTime(),
    startedAtMs: row.started_at?.getTime() ?? null,
    pid: row.pid,
    ordersVersion: row.orders_version,
    ordersBefore: row.orders_version,
    ordersReason: row.orders_reason,
    acked: row.acked,
  };
}

/** How an allocation's row ends, besides what is known of it while it lives. */
export interface AllocationEnding {
  readonly kind: string;
  readonly text: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly detail: JsonObject;
  readonly logLines: number;
  readonly atMs: number;
  /** Given up: nobody has told how its processes ended. */
  readonly unseen: boolean;
}

/** What the runner told of the end of the processes, as it is stored. */
export function exitFacts(
  end: ProcessesEnd,
): Pick<AllocationEnding, "exitCode" | "signal" | "detail"> {
  const failed = end.exits.find((exit) => exit.code !== 0) ?? end.exits[0];
  return {
    exitCode: failed?.code ?? null,
    signal: failed?.signal == null ? null : storable(failed.signal),
    detail: storableJson({
      exits: end.exits.map(({ code, signal, rank }) => ({
        ...{ code, signal },
        ...(rank === undefined ? {} : { rank }),
      })),
      out_of_memory: end.outOfMemory,
      signals_sent: [...end.signalsSent],
      yielded: end.yielded,
      ...(end.silentMs === undefined ? {} : { silent_ms: Math.round(end.silentMs) }),
      detail: end.detail,
    }),
  };
}

/** @param ending null while it lives */
export function allocationRow(
  experiment: LiveExperiment,
  trialNumber: number,
  allocation: LiveAllocation,
  ending: AllocationEnding | null,
) {
  const trial = experiment.x.trials.get(trialNumber);
  const orders = ending === null ? trial?.allocation : null;
  return {
    id: allocation.id,
    experiment_id: experiment.id,
    trial_number: trialNumber,
    run: allocation.run,
    runner: allocation.runner,
    slots: allocation.slots,
    state: ending !== null ? "ended" : allocation.startedAtMs === null ? "assigned" : "running",
    start_step: allocation.startStep,
    restore_tree: allocation.restoreTree,
    target: trial?.target ?? null,
    yield: orders?.yield ?? null,
    kill: orders?.kill ?? false,
    orders_reason: allocation.ordersReason,
    orders_version: allocation.ordersVersion,
    acked: allocation.acked,
    pid: allocation.pid,
    end_kind: ending?.kind ?? null,
    exit_code: ending?.exitCode ?? null,
    signal: ending?.signal ?? null,
    exit_detail: ending?.detail ?? null,
    log_lines: ending?.logLines ?? null,
    reason: ending?.text ?? allocation.ordersReason,
    created_at: new Date(allocation.createdAtMs),
    started_at: allocation.startedAtMs === null ? null : new Date(allocation.startedAtMs),
    ended_at: ending === null ? null : new Date(ending.atMs),
    exit_heard_at: ending === null || ending.unseen ? null : new Date(ending.atMs),
  };
}
