/**
 * All experiments that live, and the slots: what the decision loop works on.
 *
 * A turn of the loop applies events here and gathers in a `Turn` what has to be written and who has to be told.
 * Nothing outside learns of a change before the turn is committed; if the commit fails, what the turn
 * touched is thrown away and loaded again, so that memory never claims what the database does not hold.
 */
import { assert } from "../base/assert.ts";
import type { JsonObject } from "../base/json.ts";
import type { JobRoom } from "../core/jobs/shape.ts";
import {
  type Effects,
  type Experiment,
  type ExperimentCore,
  type ExperimentEvent,
  isOver,
  newExperiment,
} from "../core/lifecycle/experiment.ts";
import { stepExperiment } from "../core/lifecycle/step.ts";
import { RETRY_DELAY_MS_MAX, wantsSlots } from "../core/lifecycle/trial.ts";
import {
  type Plan,
  planNowhere,
  planStarts,
  type RunnerSlots,
  type SchedulableTask,
  type Snapshot,
} from "../core/schedule/plan.ts";
import { DEFAULT_POOL } from "../protocol/pools/pools.ts";
import { experimentUpdate, trialRow } from "../store/live-rows.ts";
import type { ExperimentRow } from "../store/schema.ts";
import { storable } from "../store/storable.ts";
import { WriteBatch } from "../store/write-batch.ts";
import { jobRunner } from "./job-runner.ts";
import { LiveClockSteps } from "./live-clock-steps.ts";
import {
  type AllocationEnding,
  allocationRow,
  exitFacts,
  type LiveAllocation,
  type LiveExperiment,
  type PastAllocation,
  SEARCH_SNAPSHOT_EVERY,
  type ShellSettings,
} from "./live-experiment.ts";
import { LiveRunners } from "./live-runners.ts";
import { LiveWaits } from "./live-waits.ts";
import { endsWithoutPool } from "./missing-pools.ts";
import { RetentionState } from "./retention/state.ts";
import { whoMakesRoom } from "./standstill.ts";

/** The runner of the pool that is there without anybody asking for it. */
export const LOCAL_RUNNER = "local";

const ENDED_KEPT_MAX = 10_000;

export interface SlotInfo {
  /** Unique over all runners. */
  readonly id: string;
  readonly runner: string;
  readonly pool: string;
  readonly kind: "gpu" | "cpu";
  readonly node: string;
  readonly description: string;
}

/** What is known of a pool besides its slots. */
export interface PoolInfo {
  readonly name: string;
  readonly engine: string;
  /** Its engine starts a job, and so a runner, for each allocation. */
  readonly jobs: boolean;
  /** Of a pool of jobs: the most slots of one node, where a trial that needs more spans several, and how many nodes there are. */
  readonly perJob: Omit<JobRoom, "slots"> | null;
  /** Of a slot that is a share of CPUs; absent = nobody has said. */
  readonly coresPerSlot?: number;
  /** Of configurations, where they say nothing themselves. */
  readonly defaults: JsonObject;
}

/** How much of a pool there is. */
export interface PoolRoom {
  readonly total: number;
  /** The most that one trial could ever have. */
  readonly largest: number;
  /** The most that are free on one runner that is heard: slots of several make no room for one trial. */
  readonly free: number;
}

export interface SlotHolder {
  readonly experiment: number;
  readonly trial: number;
  readonly run: number;
  readonly sinceMs: number;
}

/** What one turn of the loop changes: to be written, then told. */
export class Turn {
  readonly batch = new WriteBatch();
  readonly nowMs: number;
  readonly touched = new Set<number>();
  readonly dirtyTrials = new Map<number, Set<number>>();
  readonly dirtyAllocations = new Map<number, Set<number>>();
  /** Runners that have news. */
  readonly runners = new Set<string>();
  readonly slotsChanged = { value: false };
  /** Experiments in which a checkpoint may have become superfluous. */
  readonly retention = new Set<number>();
  /** Experiments, and trials of them, that are shown otherwise now by what is not written with them: a runner's silence,
   *  a verdict, a new name of one that is over. */
  readonly shown = new Map<number, Set<number>>();
  /** Of the last orders given in this turn; 0 = none were. */
  ordersVersion = 0;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }
}

export class World {
  readonly experiments = new Map<number, LiveExperiment>();
  readonly slots: readonly SlotInfo[];
  readonly holders = new Map<string, SlotHolder>();
  readonly runners: LiveRunners;
  readonly clockSteps = new LiveClockSteps();
  /** Who waits, for whoever looks; what starts is planned anew. */
  readonly waits = new LiveWaits((pool, nowMs) => this.plan(pool, nowMs));
  ordersVersion = 0;
  /** The highest version that the database holds. Runners are told of no later one, so that none acts on what a
   *  failed commit takes back, and none is ever ahead of a server that starts again. */
  ordersDurable = 1;
  /** Orders that hold again if the present turn fails, of allocations that it gives up. */
  #givenUpNow: { readonly runner: string; readonly version: number }[] = [];
  /** While set nothing starts: the server is about to stop. */
  draining = false;
  nextExperiment = 1;
  nextTrial = 1;
  nextAllocation = 1;
  readonly metricNames = new Map<string, number>();
  nextMetricName = 1;
  /** How many events a search may hear before its state is saved again. */
  searchSnapshotEvery = SEARCH_SNAPSHOT_EVERY;

  /** What people pinned, archived and deleted. */
  readonly retention = new RetentionState();

  /** Highest events heard of allocations that ended lately, by row id: what is read of them may be older. */
  readonly endedAcked = new Map<number, number>();
  /** By id, those that ended lately: what their runner still says, or says again, of them is kept. */
  readonly endedLately = new Map<string, PastAllocation>();

  /** In the order in which they were named: the first is that of experiments that name none. */
  readonly pools: ReadonlyMap<string, PoolInfo>;
  readonly #slotsOf = new Map<string, SlotInfo[]>();

  /**
   * @param nowMs wall time, for the leases of runners that are new
   * @param pools absent = those of the slots, with runners that stand ready
   */
  constructor(slots: readonly SlotInfo[], nowMs = 0, pools: readonly PoolInfo[] = poolsOf(slots)) {
    this.slots = slots;
    this.pools = new Map(pools.map((pool) => [pool.name, pool]));
    for (const slot of slots) {
      const own = this.#slotsOf.get(slot.pool);
      if (own) own.push(slot);
      else this.#slotsOf.set(slot.pool, [slot]);
    }
    const standing = slots.filter(({ pool }) => this.pools.get(pool)?.jobs !== true);
    this.runners = new LiveRunners([...new Set(standing.map(({ runner }) => runner))], nowMs);
  }

  /** That of experiments that name none. */
  get firstPool(): string {
    return this.pools.keys().next().value ?? DEFAULT_POOL;
  }

  room(pool: string): PoolRoom {
    const runners = this.#runnerSlots(pool);
    return {
      total: runners.reduce((sum, { total }) => sum + total, 0),
      largest: Math.max(0, ...runners.map(({ total }) => total)),
      free: Math.max(0, ...runners.map(({ free }) => free.length)),
    };
  }

  ackedOf(past: { readonly id: number; readonly acked: number }): number {
    return Math.max(past.acked, this.endedAcked.get(past.id) ?? 0);
  }

  noteAcked(allocation: number, acked: number): void {
    remember(this.endedAcked, allocation, acked);
  }

  /** Takes in an experiment that was loaded; replaces what was held of it. */
  adopt(live: LiveExperiment): void {
    this.release(live.id);
    this.experiments.set(live.id, live);
    for (const [trial, allocation] of live.allocations) this.#hold(live.id, trial, allocation);
  }

  /** Forgets an experiment (it ended, or it will be loaded again). */
  release(id: number): void {
    this.experiments.delete(id);
    this.waits.forget();
    for (const [slot, holder] of this.holders)
      if (holder.experiment === id) this.holders.delete(slot);
  }

  #hold(experiment: number, trial: number, allocation: LiveAllocation): void {
    for (const slot of allocation.slots)
      this.holders.set(slot, {
        experiment,
        trial,
        run: allocation.run,
        sinceMs: allocation.createdAtMs,
      });
  }

  /** Makes a new experiment and starts its search. The row is written with this turn. */
  create(
    turn: Turn,
    row: Omit<
      ExperimentRow,
      "id" | "search_state" | "search_events" | "core" | "state" | "reason" | "notes" | "priority"
    > & {
      owner: string;
    },
    settings: ShellSettings,
    start: {
      paused: boolean;
      actor: string;
      cause?: string;
      from?: ExperimentCore["start"];
    },
  ): LiveExperiment {
    const { from, ...event } = start;
    const x = newExperiment(settings.spec, from);
    const id = this.nextExperiment++;
    const live: LiveExperiment = {
      id,
      row: {
        ...row,
        id,
        // A copy: the search goes on in this very turn, and these events are applied to it on loading.
        search_state: structuredClone(x.search),
        search_events: 0,
        core: x.core,
        state: "paused",
        reason: "created",
        notes: "",
        priority: settings.priority,
      },
      x,
      priority: settings.priority,
      slotsMax: settings.slotsMax,
      pool: settings.pool,
      unit: settings.unit,
      trials: new Map(),
      allocations: new Map(),
      searchEvents: 0,
      searchSaved: 0,
      lastDecision: 0,
    };
    this.experiments.set(id, live);
    const { owner: _owner, ...columns } = live.row;
    turn.batch.put("experiments", columns, "nothing");
    this.apply(turn, live, { type: "start", ...event });
    return live;
  }

  /** Steps one experiment and notes everything that follows from it. */
  apply(turn: Turn, live: LiveExperiment, event: ExperimentEvent): Effects {
    const effects = this.#step(turn, live, event);
    if (isNothing(effects)) return effects;
    turn.touched.add(live.id);
    this.#noteSearch(turn, live, effects);
    for (const number of effects.trialsChanged) {
      if (!live.trials.has(number)) live.trials.set(number, { id: this.nextTrial++, refused: {} });
      mark(turn.dirtyTrials, live.id, number);
    }
    for (const ended of effects.ended) this.#ended(turn, live, ended);
    for (const [number, reason] of effects.ordersChanged) {
      const allocation = live.allocations.get(number);
      if (!allocation) continue;
      if (allocation.ordersVersion <= this.ordersDurable)
        allocation.ordersBefore = allocation.ordersVersion;
      allocation.ordersVersion = ++this.ordersVersion;
      turn.ordersVersion = this.ordersVersion;
      allocation.ordersReason = storable(reason);
      turn.runners.add(allocation.runner);
      mark(turn.dirtyAllocations, live.id, number);
    }
    for (const change of effects.changes)
      turn.batch.change({
        at: new Date(turn.nowMs),
        actor: storable(change.actor),
        experimentId: live.id,
        subject:
          change.trial === undefined ? `experiment ${live.id}` : `trial ${live.id}.${change.trial}`,
        what: change.what,
        cause: storable(change.cause),
      });
    return effects;
  }

  #step(turn: Turn, live: LiveExperiment, event: ExperimentEvent): Effects {
    try {
      return stepExperiment(live.x, event, turn.nowMs, this.clockSteps.steps);
    } catch (error) {
      // A mistake of ours may have left it half stepped: it will be loaded again.
      turn.touched.add(live.id);
      throw error;
    }
  }

  #noteSearch(turn: Turn, live: LiveExperiment, effects: Effects): void {
    const at = new Date(turn.nowMs);
    for (const { event, actions } of effects.searchLog) {
      live.searchEvents += 1;
      turn.batch.put(
        "search_events",
        { experiment_id: live.id, seq: live.searchEvents, at_ms: turn.nowMs, event, actions },
        "nothing",
      );
    }
    for (const action of effects.decisions) {
      live.lastDecision += 1;
      turn.batch.put(
        "decisions",
        {
          experiment_id: live.id,
          trial_number: action.trial,
          seq: live.lastDecision,
          at,
          what: action.type,
          target: "target" in action ? action.target : null,
          code: action.cause.code,
          text: storable(action.cause.text),
          standing: action.cause.standing ?? null,
        },
        "nothing",
      );
    }
  }

  #ended(turn: Turn, live: LiveExperiment, ended: Effects["ended"][number]): void {
    const allocation = live.allocations.get(ended.trial);
    assert(allocation && allocation.run === ended.run, "an allocation ended that is not held");
    live.allocations.delete(ended.trial);
    for (const slot of allocation.slots) this.holders.delete(slot);
    this.noteAcked(allocation.id, allocation.acked);
    turn.slotsChanged.value = true;
    // What it was started from is needed no more.
    turn.retention.add(live.id);
    turn.dirtyAllocations.get(live.id)?.delete(ended.trial);
    const { kind } = ended.exits;
    const unseen = kind === "lease_expired" || kind === "job_ended";
    const ending: AllocationEnding = {
      kind: ended.end,
      text: storable(ended.text),
      ...exitFacts(ended.exits),
      logLines: ended.exits.logLines,
      atMs: turn.nowMs,
      unseen,
    };
    this.#noteEnded(live, ended.trial, allocation, unseen);
    turn.batch.put("allocations", allocationRow(live, ended.trial, allocation, ending));
    turn.runners.add(allocation.runner);
  }

  /** A request of its runner may be under way that found it alive. */
  #noteEnded(live: LiveExperiment, number: number, its: LiveAllocation, unseen: boolean): void {
    const [trial, own] = [`${live.id}.${number}`, live.trials.get(number)];
    assert(own, `trial ${trial} has an allocation but no row`);
    const { id, run, acked, runner, ordersVersion, ordersBefore } = its;
    const past = { id, run, trialId: own.id, trial, acked, unseen };
    remember(this.endedLately, `${trial}.${run}`, past);
    if (!unseen) return;
    const version = ordersVersion <= this.ordersDurable ? ordersVersion : ordersBefore;
    this.#givenUpNow.push({ runner, version });
  }

  /** The first orders behind `after` that will hold again if the present turn fails; undefined = there are none. */
  heldByTurn(runner: string, after: number): number | undefined {
    let first: number | undefined;
    for (const { runner: its, version } of this.#givenUpNow)
      if (its === runner && version > after) first = Math.min(version, first ?? version);
    return first;
  }

  /** A turn was committed. @param ordersVersion of its last orders; 0 = it gave none */
  durable(ordersVersion: number): void {
    this.ordersDurable = Math.max(this.ordersDurable, ordersVersion);
    this.runners.durable();
    this.clockSteps.durable();
    this.settled();
  }

  /** Memory holds what the database holds. */
  settled(): void {
    this.#givenUpNow = [];
    this.waits.forget();
  }

  // ---- slots -----------------------------------------------------------------------------------

  /** One consistent view of a pool for the scheduler. Pools have nothing to do with each other. */
  snapshot(pool: string, nowMs: number): Snapshot {
    const queue: SchedulableTask[] = [];
    const slotsMax = new Map<number, number>();
    const held = new Map<number, number>();
    for (const holder of this.holders.values())
      held.set(holder.experiment, (held.get(holder.experiment) ?? 0) + 1);
    for (const live of this.experiments.values()) {
      if (live.pool !== pool || live.x.core.run !== "active") continue;
      if (live.slotsMax !== undefined) slotsMax.set(live.id, live.slotsMax);
      for (const number of live.x.live) {
        const trial = live.x.trials.get(number);
        if (!trial || !wantsSlots(trial)) continue;
        const due = live.x.search.virtual?.trials[number]?.due ?? undefined;
        queue.push({
          ...(due === undefined ? {} : { due }),
          id: `${live.id}.${number}`,
          group: live.id,
          slots: live.x.spec.slotsPerTrial,
          priority: live.priority,
          submittedAtMs: live.row.created_at.getTime(),
          number,
          // A wait longer than there is means that the wall clock was set back.
          notBeforeMs: trial.retryAtMs - nowMs > RETRY_DELAY_MS_MAX ? 0 : trial.retryAtMs,
        });
      }
    }
    return { runners: this.#runnerSlots(pool), queue, slotsMax, held, nowMs };
  }

  #runnerSlots(pool: string): RunnerSlots[] {
    const found = new Map<string, { free: string[]; total: number; withheld: boolean }>();
    for (const { id, runner } of this.#slotsOf.get(pool) ?? []) {
      let own = found.get(runner);
      if (!own) {
        own = { free: [], total: 0, withheld: !this.runners.grants(runner) };
        found.set(runner, own);
      }
      own.total += 1;
      if (!own.withheld && !this.holders.has(id)) own.free.push(id);
    }
    return [...found].map(([runner, own]) => ({ runner, ...own }));
  }

  plan(pool: string, nowMs: number): Plan {
    const snapshot = this.snapshot(pool, nowMs);
    if (this.pools.has(pool)) return planStarts(snapshot);
    return planNowhere(snapshot.queue, { pool, pools: [...this.pools.keys()] });
  }

  /** Plans and grants until nothing more can start. Cheap when nothing is free. */
  schedule(turn: Turn): void {
    for (const { live, event } of endsWithoutPool(this)) this.apply(turn, live, event);
    if (this.draining) return;
    for (const pool of this.pools.keys()) this.#scheduleIn(turn, pool);
    for (const pool of this.pools.keys())
      for (const { group, trial, reason } of whoMakesRoom(this, pool, turn.nowMs)) {
        const live = this.experiments.get(group);
        if (live) this.apply(turn, live, { type: "rest", trial, reason });
      }
  }

  #scheduleIn(turn: Turn, pool: string): void {
    let again = true;
    while (again && this.#mayGrant(pool)) {
      again = false;
      for (const start of this.plan(pool, turn.nowMs).starts)
        again = !this.#grant(turn, start) || again;
    }
  }

  /** Whether a plan is worth its cost: what lies free on a runner that is silent or lost may do so for hours. By the pool's
   *  own slots: allocations may hold others, of a pool that is not there any more or was larger. */
  #mayGrant(pool: string): boolean {
    const slots = this.#slotsOf.get(pool) ?? [];
    return slots.some(({ id, runner }) => !this.holders.has(id) && this.runners.grants(runner));
  }

  /** @returns false where it is not wanted any more: the grant before it has let its experiment reach its budget */
  #grant(turn: Turn, start: Plan["starts"][number]): boolean {
    const live = this.experiments.get(start.task.group);
    const trial = live?.x.trials.get(start.task.number);
    assert(live && trial, "the plan is of this very turn");
    if (live.x.core.run !== "active" || !wantsSlots(trial)) return false;
    const run = trial.run + 1;
    const jobs = this.pools.get(live.pool)?.jobs === true;
    const allocation: LiveAllocation = {
      id: this.nextAllocation++,
      run,
      runner: jobs ? jobRunner(live.pool, `${live.id}.${trial.number}.${run}`) : start.runner,
      slots: start.slots,
      startStep: trial.checkpoint?.step ?? 0,
      restoreTree: trial.checkpoint?.tree ?? null,
      createdAtMs: turn.nowMs,
      startedAtMs: null,
      pid: null,
      ordersVersion: 0,
      ordersBefore: 0,
      ordersReason: start.reason,
      acked: 0,
    };
    live.allocations.set(trial.number, allocation);
    this.#hold(live.id, trial.number, allocation);
    this.apply(turn, live, {
      ...{ type: "granted", trial: trial.number, slots: start.slots, reason: start.reason },
      ...(jobs ? { queued: true } : {}),
    });
    return true;
  }

  // ---- closing a turn --------------------------------------------------------------------------

  /** Turns what is dirty into rows: once per thing, from its state at the end of the turn. */
  finish(turn: Turn): void {
    for (const id of turn.touched) {
      const live = this.experiments.get(id);
      assert(live, `experiment ${id} was touched but is not held`);
      for (const number of turn.dirtyTrials.get(id) ?? []) {
        const trial = live.x.trials.get(number);
        const own = live.trials.get(number);
        assert(trial && own, `trial ${id}.${number} is dirty but missing`);
        turn.batch.put("trials", trialRow({ id, core: live.x.core }, trial, own));
        if (trial.over !== null) turn.retention.add(id);
      }
      for (const number of turn.dirtyAllocations.get(id) ?? []) {
        const allocation = live.allocations.get(number);
        if (allocation)
          turn.batch.put("allocations", allocationRow(live, number, allocation, null));
      }
      turn.batch.updateExperiment(id, experimentUpdate(live.x.core));
      if (isOver(live.x.core)) turn.retention.add(id);
      const unsaved = live.searchEvents - live.searchSaved;
      if (unsaved >= this.searchSnapshotEvery || isOver(live.x.core)) {
        turn.batch.saveSearch(id, live.x.search, live.searchEvents);
        live.searchSaved = live.searchEvents;
      }
    }
  }

  /** A small number for a metric's name; new names are written with this turn. */
  metricName(turn: Turn, name: string): number {
    const known = this.metricNames.get(name);
    if (known !== undefined) return known;
    const id = this.nextMetricName++;
    this.metricNames.set(name, id);
    turn.batch.put("metric_names", { id, name }, "nothing");
    return id;
  }
}

const poolsOf = (slots: readonly SlotInfo[]): PoolInfo[] =>
  [...new Set(slots.map(({ pool }) => pool))].map((name) => ({
    ...{ name, engine: "local", jobs: false, perJob: null, defaults: {} },
  }));

/** Keeps the latest few. */
function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > ENDED_KEPT_MAX && !oldest.done) map.delete(oldest.value);
}

const isNothing = (effects: Effects): boolean =>
  !effects.experimentChanged &&
  effects.trialsChanged.size === 0 &&
  effects.ordersChanged.size === 0 &&
  effects.searchLog.length === 0 &&
  effects.changes.length === 0;

function mark(map: Map<number, Set<number>>, key: number, value: number): void {
  const set = map.get(key);
  if (set) set.add(value);
  else map.set(key, new Set([value]));
}

/** Whether time alone can change something: backoff, a time budget, a search that counts seconds. */
export function needsTicks(x: Experiment, wantsTicks: boolean): boolean {
  if (x.core.run !== "active") return false;
  const { budget } = x.spec;
  if (wantsTicks || budget.timeMs !== undefined || budget.slotHours !== undefined) return true;
  if (budget.money !== undefined || budget.energy !== undefined) return true;
  for (const number of x.live) {
    const trial = x.trials.get(number);
    if (trial && trial.retryAtMs > 0 && wantsSlots(trial)) return true;
  }
  return false;
}
