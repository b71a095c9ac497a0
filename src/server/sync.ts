/**
 * What runners say, turned into events of core and rows of the store, inside one turn of the decision loop.
 *
 * Each allocation's stream is numbered; what is at or below the acknowledged number was heard before and
 * changes nothing, a gap ends the reading (the runner sends from the acknowledged number again). An
 * allocation that is over or replaced can still deliver what it measured: it is stored under its own
 * allocation and decides nothing. One that another runner has is none of the speaker's, who is told so: where a database
 * was restored and numbers were given again, it would else speak of it for ever.
 */
import { calendarTime } from "../base/clock.ts";
import { fromWire } from "../base/json.ts";
import { plural } from "../base/plural.ts";
import type { ExperimentEvent } from "../core/lifecycle/experiment.ts";
import type { ProcessesEnd } from "../core/lifecycle/trial.ts";
import type { RunnerEvent, SyncRequest, TreeEntry } from "../protocol/runner-wire.ts";
import { storable, storableJson } from "../store/storable.ts";
import type { MetricPoint } from "../store/write-batch.ts";
import {
  exitFacts,
  type LiveAllocation,
  type LiveExperiment,
  type PastAllocation,
} from "./live-experiment.ts";
import type { MetricsAhead, Report } from "./sync-slices.ts";
import type { Turn, World } from "./world.ts";

export interface Synced {
  readonly acked: Record<string, number>;
  readonly gone: string[];
}

const REFUSED_NAMES_MAX = 100;

/**
 * Name of a checkpoint's tree, computed before the turn because hashing is not the loop's work; null where its files are
 * not all stored, so that it does not exist.
 */
export type TreeName = (entries: readonly TreeEntry[]) => string | null;

/** @param ahead reports whose metrics are stored already */
export function applySync(
  world: World,
  turn: Turn,
  request: {
    readonly runner: string;
    readonly allocations: readonly SyncRequest["allocations"][number][];
  },
  past: ReadonlyMap<string, PastAllocation>,
  treeName: TreeName,
  ahead: ReadonlySet<RunnerEvent> = new Set(),
): Synced {
  const acked: Record<string, number> = {};
  const gone: string[] = [];
  for (const { id, fence, events } of request.allocations) {
    if (isOthers(world, request.runner, id)) {
      gone.push(id);
      continue;
    }
    const found = findLive(world, id);
    if (found && found.allocation.run === fence) {
      const rows = new RowsOf(
        world,
        turn,
        { id, trial: found.trialRowId, run: fence },
        treeName,
        ahead,
      );
      const take = (event: RunnerEvent) => {
        noteLive(turn, found, event, rows);
        const heard = toCore(event, found.number, fence, treeName);
        if (heard !== null) world.apply(turn, found.live, heard);
      };
      acked[id] = readStream(events, found.allocation.acked, (event) => {
        found.allocation.acked = event.seq;
        take(event);
      });
      const last = events.at(-1);
      if (last?.type === "exited" && isUnheardExit(found, last)) take(last);
      if (!found.live.allocations.has(found.number)) gone.push(id);
      continue;
    }
    gone.push(id);
    const old = past.get(id) ?? world.endedLately.get(id);
    if (!old) continue;
    const rows = new RowsOf(world, turn, { id, trial: old.trialId, run: old.run }, treeName, ahead);
    // A turn may be run again after a failure, so nothing of the request is changed.
    const durable = readStream(events, world.ackedOf(old), (event) => {
      rows.write(event);
      if (event.type === "exited" && old.unseen) rows.lateExit(old.id, event);
    });
    acked[id] = durable;
    turn.batch.ackPast(old.id, durable);
    world.noteAcked(old.id, durable);
  }
  return { acked, gone };
}

/**
 * Some metrics of a report that is larger than a turn should be, as they are stored beside the turns; only names that are
 * new are written in this one. @returns none where the report is none that would be taken now
 */
export function pointsAhead(
  world: World,
  turn: Turn,
  { runner, id, fence, event, metrics }: MetricsAhead & { readonly runner: string },
  past: ReadonlyMap<string, PastAllocation>,
): MetricPoint[] {
  if (isOthers(world, runner, id)) return [];
  const found = findLive(world, id);
  const isLive = found !== undefined && found.allocation.run === fence;
  const old = isLive ? undefined : (past.get(id) ?? world.endedLately.get(id));
  if (!isLive && old === undefined) return [];
  const acked = isLive ? found.allocation.acked : world.ackedOf(old as PastAllocation);
  if (event.seq !== acked + 1) return [];
  const trial = isLive ? found.trialRowId : (old as PastAllocation).trialId;
  const rows = new RowsOf(
    world,
    turn,
    { id, trial, run: isLive ? fence : (old as PastAllocation).run },
    () => null,
  );
  return rows.points(event, metrics);
}

/**
 * An exit under a number that was heard before, of an allocation that lives, was not heard: a runner died with records
 * that no disk had taken, its successor used their numbers again, and then a late request of the dead one came first.
 */
const isUnheardExit = ({ live, number, allocation }: Found, exit: RunnerEvent): boolean =>
  exit.seq <= allocation.acked && live.allocations.get(number) === allocation;

/** Calls `take` for each event that is new, in order. @returns the number up to which all is taken */
function readStream(
  events: readonly RunnerEvent[],
  ackedBefore: number,
  take: (event: RunnerEvent) => void,
): number {
  let acked = ackedBefore;
  for (const event of events) {
    if (event.seq <= acked) continue;
    if (event.seq !== acked + 1) break;
    take(event);
    acked = event.seq;
  }
  return acked;
}

interface Found {
  readonly live: LiveExperiment;
  readonly number: number;
  readonly allocation: LiveAllocation;
  readonly trialRowId: number;
}

/** By id `<experiment>.<trial>.<run>`; undefined unless that very allocation is live. */
export function findLive(world: World, id: string): Found | undefined {
  const [experiment, number, run] = id.split(".").map(Number);
  const live = world.experiments.get(experiment ?? -1);
  const allocation = live?.allocations.get(number ?? -1);
  const own = live?.trials.get(number ?? -1);
  if (!live || !allocation || !own || allocation.run !== run) return undefined;
  return { live, number: number as number, allocation, trialRowId: own.id };
}

/** Is it live, and with another runner? A runner speaks for its own allocations alone. */
export function isOthers(world: World, runner: string, id: string): boolean {
  const found = findLive(world, id);
  return found !== undefined && found.allocation.runner !== runner;
}

function noteLive(turn: Turn, found: Found, event: RunnerEvent, rows: RowsOf): void {
  const { live, number, allocation } = found;
  const dirty = turn.dirtyAllocations.get(live.id) ?? new Set<number>();
  turn.dirtyAllocations.set(live.id, dirty.add(number));
  // Also where core is told nothing: how far the allocation was heard has to be written.
  turn.touched.add(live.id);
  if (event.type === "started") {
    allocation.startedAtMs = turn.nowMs;
    allocation.pid = event.pid;
  }
  if (event.type === "report" && event.refused) {
    const own = live.trials.get(number);
    if (own)
      for (const [name, what] of Object.entries(event.refused))
        if (Object.keys(own.refused).length < REFUSED_NAMES_MAX)
          // Not by assignment: a name can be `__proto__`.
          own.refused = { ...own.refused, [storable(name)]: storable(what) };
  }
  rows.write(event);
}

/** The rows that an event leaves behind, whoever it comes from. */
class RowsOf {
  readonly #world: World;
  readonly #turn: Turn;
  readonly #allocation: string;
  readonly #trialId: number;
  readonly #run: number;
  readonly #treeName: TreeName;
  readonly #ahead: ReadonlySet<RunnerEvent>;

  /** @param of the allocation: its id, the row of its trial, its run */
  constructor(
    world: World,
    turn: Turn,
    of: { readonly id: string; readonly trial: number; readonly run: number },
    treeName: TreeName,
    ahead: ReadonlySet<RunnerEvent> = new Set(),
  ) {
    this.#ahead = ahead;
    this.#world = world;
    this.#turn = turn;
    this.#allocation = of.id;
    this.#trialId = of.trial;
    this.#run = of.run;
    this.#treeName = treeName;
  }

  /** The runner's clock, unless it names a time that no calendar has: then ours. */
  #time(atMs: number): Date {
    return calendarTime(atMs, this.#turn.nowMs);
  }

  write(event: RunnerEvent): void {
    if (event.type === "report") this.#report(event);
    else if (event.type === "checkpoint") this.#checkpoint(event);
  }

  /** Its allocation was given up long ago: kept, and decides nothing. */
  lateExit(rowId: number, event: ExitEvent): void {
    const { exitCode, signal, detail } = exitFacts(endOf(event));
    const at = new Date(this.#turn.nowMs);
    this.#turn.batch.lateExit(rowId, {
      ...{ exit_code: exitCode, signal, exit_detail: detail },
      ...{ log_lines: event.logLines, exit_heard_at: at },
    });
    const how = signal ?? `exit code ${exitCode ?? "unknown"}`;
    const [experiment, trial] = this.#allocation.split(".");
    this.#turn.batch.change({
      at,
      actor: "runner",
      experimentId: Number(experiment),
      subject: `trial ${experiment}.${trial}`,
      what: "late exit",
      cause: storable(
        `the processes of allocation ${this.#allocation}, which had been given up, have ended: ${how}${event.detail === "" ? "" : `; ${event.detail}`}`,
      ),
    });
  }

  #report(event: Report): void {
    const { batch } = this.#turn;
    const key = { trial_id: this.#trialId, run: this.#run, seq: event.seq };
    batch.put("reports", { ...key, step: event.step, at: this.#time(event.atMs) }, "nothing");
    if (this.#ahead.has(event)) return;
    for (const point of this.points(event, Object.entries(event.metrics))) batch.metric(point);
  }

  /** @param metrics of the report, all or some */
  points(event: Report, metrics: MetricsAhead["metrics"]): MetricPoint[] {
    return metrics.map(([name, value]) => ({
      trial: this.#trialId,
      name: this.#world.metricName(this.#turn, storable(name)),
      step: event.step,
      run: this.#run,
      seq: event.seq,
      value: fromWire(value),
    }));
  }

  #checkpoint(event: Extract<RunnerEvent, { type: "checkpoint" }>): void {
    const tree = this.#treeName(event.tree);
    const bytes = event.tree.reduce((sum, entry) => sum + entry.size, 0);
    const [experiment, trial] = this.#allocation.split(".");
    if (tree === null) {
      this.#turn.batch.change({
        at: new Date(this.#turn.nowMs),
        actor: "contrail",
        experimentId: Number(experiment),
        subject: `trial ${experiment}.${trial}`,
        what: `checkpoint at step ${event.step} lost`,
        cause: `allocation ${this.#allocation} told of it when its files were not stored any more; the one before it is used`,
      });
      return;
    }
    this.#turn.batch.checkpoint({
      trial_id: this.#trialId,
      run: this.#run,
      step: event.step,
      tree,
      files: event.tree.length,
      bytes,
      metadata: storableJson(event.metadata),
      created_at: this.#time(event.atMs),
    });
    this.#turn.retention.add(Number(experiment));
    // Its retention may have been applied already; after a restart nobody would look again.
    if (!this.#world.experiments.has(Number(experiment)))
      this.#turn.batch.put("retained", { experiment_id: Number(experiment), at: null });
    this.#turn.batch.change({
      at: new Date(this.#turn.nowMs),
      actor: "runner",
      experimentId: Number(experiment),
      subject: `trial ${experiment}.${trial}`,
      what: `checkpoint at step ${event.step}`,
      cause: `allocation ${this.#allocation} saved ${plural(event.tree.length, "file")}, ${plural(bytes, "byte")}, tree ${tree}`,
    });
  }
}

type ExitEvent = Extract<RunnerEvent, { type: "exited" }>;

const endOf = (event: ExitEvent): ProcessesEnd => ({
  kind: event.kind,
  exits: event.processes.map(({ code, signal, rank }) => ({ code, signal, rank })),
  outOfMemory: event.outOfMemory,
  signalsSent: event.signalsSent,
  yielded: event.yielded,
  broken: event.broken,
  silentMs: event.silentMs,
  logLines: event.logLines,
  detail: event.detail,
});

/** Words are rare, and without any there is nothing to translate in what may be ten thousand. */
function numbersOf(metrics: Report["metrics"]): Record<string, number> {
  const isWord = (value: unknown): boolean => typeof value === "string";
  if (!Object.values(metrics).some(isWord)) return metrics as Record<string, number>;
  return Object.fromEntries(
    Object.entries(metrics).map(([name, value]) => [name, fromWire(value)]),
  );
}

function toCore(
  event: RunnerEvent,
  trial: number,
  run: number,
  treeName: TreeName,
): ExperimentEvent | null {
  switch (event.type) {
    case "started":
      return { type: "started", trial, run };
    case "report":
      return {
        type: "report",
        trial,
        run,
        step: event.step,
        metrics: numbersOf(event.metrics),
      };
    case "waiting":
      return { type: "waiting", trial, run, step: event.step };
    case "checkpoint": {
      const tree = treeName(event.tree);
      return tree === null ? null : { type: "checkpoint", trial, run, step: event.step, tree };
    }
    case "invalid_hyperparameters":
      return { type: "invalid", trial, run, reason: event.reason };
    case "usage":
      return {
        ...{ type: "usage", trial, run },
        ...{ idleSinceMs: event.idleSinceMs, expired: event.expired },
      };
    case "record":
      // Stored before the turn, see record-sync.ts.
      return null;
    case "exited":
      return {
        type: "exited",
        trial,
        run,
        end: endOf(event),
      };
  }
}
