/** What a bundle says, as the rows of an experiment that is over. */
import { fromWire, type JsonObject } from "../../base/json.ts";
import type { ExperimentCore } from "../../core/lifecycle/experiment.ts";
import { newTrial, type TrialState } from "../../core/lifecycle/trial.ts";
import { startSearch } from "../../core/search/methods.ts";
import type { Hyperparameters } from "../../core/space/space.ts";
import type { BundleRun, BundleTrial } from "../../protocol/bundle.ts";
import { experimentUpdate, trialRow } from "../../store/live-rows.ts";
import type { VerdictRow } from "../../store/schema.ts";
import { storable, storableJson } from "../../store/storable.ts";
import { layersIn } from "../layers/given.ts";
import { toPlan, toSearch, toSettings } from "../translate.ts";
import { bestOf, type CheckedBundle } from "./check-bundle.ts";

const OVER = ["completed", "canceled", "error"] as const;
type Over = (typeof OVER)[number];

const ms = (time: string | null): number | null => (time === null ? null : Date.parse(time));
const date = (time: string | null): Date | null => (time === null ? null : new Date(time));

export function experimentCore(bundle: CheckedBundle, madeAtMs: number): ExperimentCore {
  const { experiment } = bundle;
  const { state, reason } = experiment;
  const isOver = (OVER as readonly string[]).includes(state);
  return {
    run: isOver ? (state as Over) : "canceled",
    ending: null,
    reason: isOver ? reason : `it was ${state} when it was exported: ${reason}`,
    startedAtMs: ms(experiment.started_at),
    endedAtMs: ms(experiment.ended_at) ?? madeAtMs,
    progress: experiment.progress,
    steps: experiment.steps,
    slotMs: experiment.slot_ms,
    best: bestOf(bundle),
  };
}

export function experimentRow(
  bundle: CheckedBundle,
  made: {
    readonly id: number;
    readonly ownerId: number;
    readonly core: ExperimentCore;
    readonly code: string | null;
    /** Of data that is a version here, by its name in `data`. */
    readonly resolved: ReadonlyMap<string, JsonObject>;
    readonly slots: number;
  },
) {
  const { experiment, config, spec, search } = bundle;
  const { id, ownerId, core, code, resolved, slots } = made;
  const plan = toPlan(spec, config.resources.slots_per_trial, slots);
  return {
    id,
    name: storable(config.name ?? ""),
    description: experiment.description === null ? null : storable(experiment.description),
    labels: experiment.labels.map(storable),
    workspace: storable(experiment.workspace),
    project: storable(experiment.project),
    owner_id: ownerId,
    config: storableJson(config) as unknown as JsonObject,
    config_text: storable(experiment.config_text),
    data: dataOf(experiment.data, resolved),
    seed: experiment.seed,
    code,
    provenance: storableJson(withoutPool(experiment.provenance)) as JsonObject,
    plan,
    searcher_reason: toSearch(config, experiment.seed).reason,
    search_spec: spec,
    search_state: search?.state ?? startSearch(spec),
    search_events: search?.events ?? 0,
    created_at: new Date(experiment.created_at),
    notes: storable(experiment.notes),
    priority: toSettings(config, spec).priority,
    ...experimentUpdate(core),
  };
}

/** No layer gave the pool that stands here now: the other server's stayed behind. */
function withoutPool(provenance: JsonObject): JsonObject {
  const layers = layersIn(provenance).map((layer) => ({
    ...layer,
    fields: layer.fields.filter((field) => field !== ".resources.resource_pool"),
  }));
  return layers.length === 0 ? provenance : { ...provenance, layers };
}

function dataOf(
  data: CheckedBundle["experiment"]["data"],
  resolved: ReadonlyMap<string, JsonObject>,
): JsonObject {
  const here = Object.entries(data).map(([name, value]) => [name, resolved.get(name) ?? value]);
  return storableJson(Object.fromEntries(here)) as JsonObject;
}

/** What of a bundle's trials and runs is new here: from the first on they are numbered in their order. */
export interface Numbered {
  readonly experiment: { readonly id: number; readonly core: ExperimentCore };
  readonly firstTrial: number;
  readonly firstAllocation: number;
  readonly madeAt: Date;
}

type Rows = Pick<CheckedBundle, "trials" | "runs">;

export function* trialRows({ trials, runs }: Rows, numbered: Numbered) {
  const lastRun = new Map(runs.map(({ trial, run }) => [trial, run]));
  const { experiment, firstTrial, madeAt } = numbered;
  for (const [i, trial] of trials.entries()) {
    const made = { id: firstTrial + i, experiment, madeAtMs: madeAt.getTime() };
    yield trialRowOf(trial, { ...made, run: lastRun.get(trial.number) ?? 0 });
  }
}

export function* allocationRows({ runs }: Rows, numbered: Numbered) {
  const { experiment, firstAllocation, madeAt } = numbered;
  for (const [i, run] of runs.entries())
    yield allocationRowOf(run, { id: firstAllocation + i, experiment: experiment.id, madeAt });
}

/**
 * The last allocation with its trial, and the last trial. The server counts on from the largest numbers that are stored;
 * with these no number of an import is given to anything else before its other rows are there.
 */
export function lastRows({ trials, runs }: Rows, numbered: Numbered) {
  const { experiment, firstTrial, firstAllocation, madeAt } = numbered;
  const run = runs.at(-1);
  const ran = trials.findIndex(({ number }) => number === run?.trial);
  const which = [...new Set([ran, trials.length - 1])].filter((i) => i >= 0);
  return {
    trials: which.flatMap((i) => {
      const own = trials.slice(i, i + 1);
      const runsOfIt = runs.filter(({ trial }) => trial === own[0]?.number);
      return [
        ...trialRows({ trials: own, runs: runsOfIt }, { ...numbered, firstTrial: firstTrial + i }),
      ];
    }),
    allocations: run
      ? [
          allocationRowOf(run, {
            ...{ id: firstAllocation + runs.length - 1, experiment: experiment.id, madeAt },
          }),
        ]
      : [],
  };
}

function trialRowOf(
  trial: BundleTrial,
  made: {
    readonly id: number;
    readonly experiment: { readonly id: number; readonly core: ExperimentCore };
    /** The number of its last run. */
    readonly run: number;
    readonly madeAtMs: number;
  },
) {
  const { number, bracket, seed, target, objective, best, checkpoint } = trial;
  const hyperparameters = storableJson(trial.hyperparameters) as Hyperparameters;
  const state: TrialState = {
    ...newTrial({ number, bracket, hyperparameters, seed, target }, Date.parse(trial.created_at)),
    over: trial.end_reason ?? "experiment_ended",
    reason:
      trial.end_reason === null
        ? `it was ${trial.state} when it was exported: ${trial.reason}`
        : trial.reason,
    run: made.run,
    restarts: trial.restarts,
    step: trial.step,
    objective:
      objective === null
        ? null
        : { step: trial.step, value: fromWire(objective), resource: trial.step },
    best: best && { step: best.step, value: fromWire(best.objective) },
    checkpoint: checkpoint && { step: checkpoint.step, tree: checkpoint.id },
    slotMs: trial.slot_ms,
    startedAtMs: ms(trial.started_at),
    endedAtMs: ms(trial.ended_at) ?? made.madeAtMs,
  };
  return trialRow(made.experiment, state, { id: made.id, refused: trial.refused_metrics });
}

/** As their origin found: the experiments that repeated these trials are not here. */
export const verdictRows = (experiment: number, { verdicts }: CheckedBundle): VerdictRow[] =>
  verdicts.map(({ trial, at, state, text, detail, asked_by }) => ({
    ...{ experiment_id: experiment, trial_number: trial, at: new Date(at), replay_id: null, state },
    ...{ text: storable(text), detail: storableJson(detail) },
    asked_by: storable(`${asked_by}, where it comes from`),
  }));

function allocationRowOf(
  run: BundleRun,
  made: { readonly id: number; readonly experiment: number; readonly madeAt: Date },
) {
  return {
    id: made.id,
    experiment_id: made.experiment,
    trial_number: run.trial,
    run: run.run,
    runner: storable(run.runner),
    slots: run.slots.map(storable),
    state: "ended",
    start_step: run.start_step,
    restore_tree: run.restored,
    target: null,
    yield: null,
    kill: false,
    orders_reason: "",
    orders_version: 0,
    acked: 0,
    pid: null,
    end_kind: run.end,
    exit_code: run.exit_code,
    signal: run.signal === null ? null : storable(run.signal),
    exit_detail: run.exit_detail === null ? null : storableJson(run.exit_detail),
    log_lines: run.log_lines,
    reason: storable(run.reason),
    created_at: new Date(run.created_at),
    started_at: date(run.started_at),
    ended_at: date(run.ended_at) ?? made.madeAt,
    exit_heard_at: date(run.exit_heard_at),
  };
}
