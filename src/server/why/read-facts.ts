/**
 * Gathers what an answer is made of. What is durable comes from the database, what the scheduler and the search
 * say of this moment from the world in memory; a thing that changed between the two is asked about again by
 * whoever looks again, so no lock is taken.
 */
import type pg from "pg";
import { reviveExact } from "../../base/json.ts";
import { searchRungs } from "../../core/search/methods.ts";
import type { Standing } from "../../core/search/search.ts";
import type { Plan } from "../../protocol/api.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import { decidingChanges, failedTrials, lastGrant } from "../../store/audit-reads.ts";
import {
  type ExperimentHead,
  readExperiment,
  readExperimentHead,
  readTrial,
  readTrialExtras,
} from "../../store/experiment-reads.ts";
import { readContainer, readNodes } from "../../store/record-store.ts";
import type { AllocationRow, TrialRow } from "../../store/schema.ts";
import { lastLines } from "../last-lines.ts";
import type { LiveWait } from "../live-waits.ts";
import { missingPool } from "../missing-pools.ts";
import type { Nodes } from "../pools/nodes.ts";
import { unitOf } from "../views.ts";
import type { World } from "../world.ts";
import type {
  AllocationFact,
  ChangeFact,
  ExperimentFacts,
  HolderFact,
  RungFact,
  RunnerFact,
  SearchFacts,
  SlotFacts,
  TrialFacts,
  WaitFact,
} from "./facts.ts";

const CHANGES_MAX = 500;
const FAILED_SHOWN = 3;

export interface Sources {
  readonly readPool: pg.Pool;
  readonly world: World;
  readonly nodes: Pick<Nodes, "why">;
  readonly nowMs: number;
}

export async function readTrialFacts(
  { readPool, world, nodes, nowMs }: Sources,
  key: { readonly experiment: number; readonly number: number },
): Promise<TrialFacts | undefined> {
  const id = `${key.experiment}.${key.number}`;
  const trial = await readTrial(readPool, key.experiment, key.number);
  const experiment = trial && (await readExperimentHead(readPool, key.experiment));
  if (!trial || !experiment) return undefined;
  const changes = (subject: string) =>
    decidingChanges(readPool, { experiment: key.experiment, subject, limit: CHANGES_MAX });
  const [own, parents, extras] = await Promise.all([
    changes(`trial ${id}`),
    changes(`experiment ${key.experiment}`),
    readTrialExtras(readPool, trial),
  ]);
  const live = world.experiments.get(key.experiment);
  const wait = live && world.waits.in(live.pool, nowMs).get(id);
  return {
    ...searchFacts(experiment),
    id,
    engine: engineWords(world, nodes, key),
    experiment: key.experiment,
    state: trial.state,
    endReason: trial.end_reason,
    reason: trial.reason,
    step: trial.step,
    target: trial.target,
    restarts: trial.restarts,
    maxRestarts: configOf(experiment).max_restarts,
    checkpointStep: trial.core.checkpoint?.step ?? null,
    held: { byPerson: trial.core.userHold, byExperiment: experiment.core.run === "paused" },
    changes: own.map(changeFact),
    experimentChanges: parents.map(changeFact),
    decisions: extras.decisions.map((decision) => ({
      ...decision,
      standing: decision.standing === null ? null : (reviveExact(decision.standing) as Standing),
    })),
    allocations: extras.allocations.map(allocationFact),
    wait: wait ? waitFact(wait) : null,
    holders: live ? holdersOf(world, live.pool) : [],
    silent: runnerFact(world, live?.allocations.get(key.number)?.runner),
    draining: world.draining,
    rung: rungNow(world, trial),
    lastLines: await lastLines(readPool, trial, extras.allocations),
    container: (await readContainer(readPool, key.experiment, key.number)) ?? null,
    nodes: latestOf(await readNodes(readPool, key.experiment, key.number)),
    nowMs,
  };
}

function latestOf(runs: ReadonlyMap<number, readonly string[]>): TrialFacts["nodes"] {
  const run = Math.max(0, ...runs.keys());
  const names = runs.get(run);
  return names === undefined ? null : { run, names };
}

export async function readExperimentFacts(
  { readPool, world, nowMs }: Sources,
  id: number,
): Promise<ExperimentFacts | undefined> {
  const row = await readExperiment(readPool, id);
  if (!row) return undefined;
  const [changes, failed] = await Promise.all([
    decidingChanges(readPool, {
      ...{ experiment: id, subject: `experiment ${id}`, limit: CHANGES_MAX },
    }),
    row.error > 0 ? failedTrials(readPool, id, FAILED_SHOWN) : [],
  ]);
  const plan = row.plan as unknown as Plan;
  const live = world.experiments.get(id);
  const { total, queued, running, paused, completed, canceled, error, replacements } = row;
  return {
    ...searchFacts(row),
    id,
    state: row.state,
    reason: row.reason,
    searcher: row.search_spec.method.name,
    searcherReason: row.searcher_reason,
    searcherNamed: configOf(row).searcher.name !== null,
    plan: { trialsMax: plan.trials_max, rungs: plan.rungs },
    trials: { total, queued, running, paused, completed, canceled, error, replacements },
    best:
      row.best_trial === null || row.best_objective === null
        ? null
        : {
            trial: `${id}.${row.best_trial}`,
            step: row.best_step ?? 0,
            objective: row.best_objective,
          },
    changes: changes.map(changeFact),
    failed: failed.map(({ number, end_reason: endReason, reason }) => ({
      ...{ trial: `${id}.${number}`, endReason, reason },
    })),
    waits: live ? waitsIn(world, live.pool, nowMs, id) : [],
    holders: live ? holdersOf(world, live.pool) : [],
    draining: world.draining,
    nowMs,
  };
}

/** @returns undefined when there is no such slot */
export async function readSlotFacts(
  { readPool, world, nowMs }: Sources,
  id: string,
): Promise<SlotFacts | undefined> {
  const slot = world.slots.find((known) => known.id === id);
  if (!slot) return undefined;
  const holder = holdersOf(world, slot.pool).find(({ slot }) => slot === id) ?? null;
  const [experiment = 0, trial = 0] = holder?.allocation.split(".").map(Number) ?? [];
  const [changes, last] = await Promise.all([
    holder
      ? decidingChanges(readPool, {
          ...{ experiment, subject: `trial ${experiment}.${trial}`, limit: CHANGES_MAX },
        })
      : [],
    holder ? undefined : lastGrant(readPool, id),
  ]);
  const live = world.experiments.get(experiment);
  const orders = live?.x.trials.get(trial)?.allocation;
  const leaves = orders?.yield != null || orders?.kill === true;
  const grant = changes.findLast(({ what }) => what.startsWith("granted "));
  return {
    id,
    holder,
    grant: grant ? changeFact(grant) : null,
    last: last?.ended_at
      ? { allocation: last.allocation, endedAt: last.ended_at.toISOString(), reason: last.reason }
      : null,
    withheld: runnerFact(world, slot.runner),
    leaving: leaves ? (live?.allocations.get(trial)?.ordersReason ?? "it was told to go") : null,
    waits: waitsIn(world, slot.pool, nowMs),
    draining: world.draining,
    nowMs,
  };
}

function engineWords(
  world: World,
  nodes: Sources["nodes"],
  key: { readonly experiment: number; readonly number: number },
): string | null {
  const live = world.experiments.get(key.experiment);
  const allocation = live?.allocations.get(key.number);
  if (live === undefined || allocation?.startedAtMs !== null) return null;
  return missingPool(world, live.pool) ?? nodes.why(allocation.runner);
}

const configOf = (row: Pick<ExperimentHead, "config">): ExperimentConfig =>
  row.config as unknown as ExperimentConfig;

function searchFacts(row: Pick<ExperimentHead, "config">): SearchFacts {
  const config = configOf(row);
  return {
    unit: unitOf(config),
    metric: config.searcher.metric ?? "",
    smallerIsBetter: config.searcher.smaller_is_better,
  };
}

const changeFact = (row: {
  seq: number;
  at: Date;
  actor: string;
  what: string;
  cause: string;
}): ChangeFact => ({ ...row, at: row.at.toISOString() });

function allocationFact(row: AllocationRow): AllocationFact {
  const detail = (row.exit_detail ?? {}) as {
    signals_sent?: readonly string[];
    out_of_memory?: string | null;
    silent_ms?: number;
  };
  return {
    run: row.run,
    slots: row.slots,
    state: row.state,
    startStep: row.start_step,
    restored: row.restore_tree !== null,
    yield: row.yield,
    kill: row.kill,
    ordersReason: row.orders_reason,
    end: row.end_kind,
    exitCode: row.exit_code,
    signal: row.signal,
    signalsSent: detail.signals_sent ?? [],
    outOfMemory: detail.out_of_memory ?? null,
    silentMs: detail.silent_ms ?? null,
    reason: row.reason,
    createdAt: row.created_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}

function runnerFact(world: World, id: string | undefined): RunnerFact | null {
  if (id === undefined || !world.runners.has(id)) return null;
  const { lease, hearing, heardBeforeMs, aliveAtMs } = world.runners.get(id);
  if (lease.standing === "held") return null;
  const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return {
    ...{ runner: id, standing: lease.standing, cause: lease.cause },
    since: new Date(lease.sinceMs).toISOString(),
    heardAt: iso(hearing.heardAtMs ?? heardBeforeMs),
    aliveAt: iso(aliveAtMs),
  };
}

/** What waits in a pool, in the order of its queue. @param experiment absent = of all of them */
function waitsIn(
  world: World,
  pool: string,
  nowMs: number,
  experiment?: number,
): { trial: string; wait: WaitFact }[] {
  return [...world.waits.in(pool, nowMs).values()]
    .filter(({ task }) => experiment === undefined || task.group === experiment)
    .map((wait) => ({ trial: wait.task.id, wait: waitFact(wait) }));
}

const waitFact = ({ reason, position, waiting, task }: LiveWait): WaitFact => ({
  ...{ reason, position, waiting, needs: task.slots },
});

/** Who has the slots of a pool: those of others are nothing to who waits in it. */
function holdersOf(world: World, pool: string): HolderFact[] {
  return world.slots.flatMap(({ id, pool: own }) => {
    const holder = own === pool ? world.holders.get(id) : undefined;
    if (!holder) return [];
    const { experiment, trial, run, sinceMs } = holder;
    const since = new Date(sinceMs).toISOString();
    return [{ slot: id, allocation: `${experiment}.${trial}.${run}`, since }];
  });
}

/** Where a trial that waits at a rung stands there by now. */
function rungNow(world: World, trial: TrialRow): RungFact | null {
  const live = world.experiments.get(trial.experiment_id);
  if (!live || trial.state !== "waiting") return null;
  const found = searchRungs(live.x.spec.search, live.x.search)
    .filter(({ bracket }) => bracket === trial.bracket)
    .findLast(({ entries }) => entries.some((entry) => entry.trial === trial.number));
  if (!found) return null;
  const rank = found.entries.findIndex((entry) => entry.trial === trial.number) + 1;
  return { step: found.step, rank, of: found.entries.length };
}
