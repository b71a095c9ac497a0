/**
 * Rules that are checked whenever rows become durable, each of them a sentence. They look at what was written and at
 * what the kernel knows, never at what the server believes.
 */
import { parseId } from "../base/ids.ts";
import { type ExperimentCore, isOver } from "../core/lifecycle/experiment.ts";
import { type TrialState, wantsSlots } from "../core/lifecycle/trial.ts";
import type { ExperimentConfig } from "../protocol/config/config.ts";
import type {
  AllocationRow,
  CheckpointRow,
  ExperimentRow,
  MarksRow,
  RunnerRow,
  TrialRow,
} from "../store/schema.ts";
import type { BatchContents, ChangeEntry, Row, TableName } from "../store/write-batch.ts";
import type { SimProcess } from "./process-table.ts";
import type { SimContext } from "./sim-context.ts";
import type { ServerDisk } from "./sim-server.ts";

/** As `sync.ts` words it. */
const CHECKPOINT_LOST = /^checkpoint at step \d+ lost$/;
const ALLOCATION = /^allocation (\S+) /;

export interface CommitParts {
  readonly disk: ServerDisk;
  /** Slot → its runner. */
  readonly slots: ReadonlyMap<string, string>;
  /** Processes that live, over all nodes. */
  readonly processes: {
    of(allocation: string): readonly SimProcess[];
    on(slot: string): readonly SimProcess[];
  };
}

export class CommitRules {
  readonly #context: SimContext;
  readonly #disk: ServerDisk;
  readonly #parts: CommitParts;
  /** Allocation → the commit in which it ended. */
  readonly #ended = new Map<number, number>();
  #commit = 0;
  /** Reports of allocations that had ended before: kept, and counted nowhere. By trial row, run and event. */
  readonly late = new Set<string>();
  /** Reports that became durable together with the end of their allocation: nobody can say which came first. */
  readonly doubtful = new Set<string>();
  readonly #granted = new Set<number>();
  readonly #liveOfTrial = new Map<string, number>();
  readonly #holder = new Map<string, number>();
  readonly #trials = new Map<number, TrialRow>();
  readonly #ofExperiment = new Map<number, Map<number, TrialState>>();
  readonly #over = new Map<number, string>();
  readonly #lastReport = new Map<string, { seq: number; said: number }>();

  constructor(context: SimContext, parts: CommitParts) {
    this.#context = context;
    this.#disk = parts.disk;
    this.#parts = parts;
  }

  check(contents: BatchContents): void {
    this.#commit += 1;
    const rows = <T>(name: TableName): readonly T[] =>
      (contents.tables.find((t) => t.table === name)?.rows ?? []) as unknown as readonly T[];
    for (const row of rows<AllocationRow>("allocations")) this.#allocation(row);
    this.#slotsInAll();
    for (const row of rows<CheckpointRow>("checkpoints")) this.#checkpoint(row);
    for (const change of contents.changes) this.#change(change);
    for (const row of rows<TrialRow>("trials")) this.#trial(row);
    for (const row of rows<{ trial_id: number; run: number; seq: number }>("reports"))
      this.#report(row);
    for (const [id, row] of contents.experimentUpdates) this.#experiment(id, row);
    for (const row of rows<MarksRow>("experiment_marks")) this.#mark(row);
  }

  #allocation(row: AllocationRow): void {
    const id = `${row.experiment_id}.${row.trial_number}.${row.run}`;
    const trial = `${row.experiment_id}.${row.trial_number}`;
    if (this.#ended.has(row.id))
      return this.#context.broken("an allocation ends once", `${id} was written after its end`);
    if (row.state === "ended") {
      this.#ended.set(row.id, this.#commit);
      this.#liveOfTrial.delete(trial);
      for (const slot of row.slots)
        if (this.#holder.get(slot) === row.id) this.#holder.delete(slot);
      if (row.exit_heard_at === null) return this.#givenUp(id, row);
      const left = this.#parts.processes.of(id);
      if (left.length > 0)
        this.#context.broken(
          "no process outlives its allocation",
          `${id} has ended, and ${left.length} of its processes live`,
        );
      return;
    }
    const other = this.#liveOfTrial.get(trial);
    if (other !== undefined && other !== row.id)
      this.#context.broken(
        "a trial has one live allocation",
        `${trial} has ${other} and ${row.id}`,
      );
    this.#liveOfTrial.set(trial, row.id);
    if (!this.#granted.has(row.id)) this.#grant(id, row);
    for (const slot of row.slots) {
      const holder = this.#holder.get(slot);
      if (holder !== undefined && holder !== row.id)
        this.#context.broken(
          "a slot is granted once",
          `${slot} to allocations ${holder} and ${row.id}`,
        );
      if (this.#parts.slots.get(slot) !== row.runner)
        this.#context.broken(
          "only slots that the runner has are granted",
          `${slot} of ${row.runner} to ${id}`,
        );
      this.#holder.set(slot, row.id);
    }
  }

  /** What its runner said nothing of: then nothing may have been charged, and its processes may live. */
  #givenUp(id: string, row: AllocationRow): void {
    this.#context.givenUp.add(id);
    if (row.end_kind !== "node_lost" || this.#standingOf(row.runner) !== "lost")
      this.#context.broken(
        "only a lost runner's allocations are given up",
        `${id}: ${row.end_kind}, ${row.runner} is ${this.#standingOf(row.runner)}`,
      );
  }

  #grant(id: string, row: AllocationRow): void {
    this.#granted.add(row.id);
    const standing = this.#standingOf(row.runner);
    if (standing !== "held")
      this.#context.broken(
        "nothing is granted on a runner that is silent or lost",
        `${id} on ${row.runner}, which is ${standing}`,
      );
    for (const slot of row.slots)
      for (const { allocation } of this.#parts.processes.on(slot))
        this.#context.broken(
          "a slot is granted when nothing runs on it any more",
          `${slot} to ${id}; ${allocation} is there`,
        );
  }

  #standingOf(runner: string): RunnerRow["standing"] {
    const row = this.#disk.ledger.table("runners").get(runner) as RunnerRow | undefined;
    return row?.standing ?? "held";
  }

  #slotsInAll(): void {
    if (this.#holder.size > this.#parts.slots.size)
      this.#context.broken("slots used are at most the slots there are", `${this.#holder.size}`);
  }

  #checkpoint(row: CheckpointRow): void {
    const missing = this.#missing(row.tree);
    if (missing === null || missing.length > 0)
      this.#context.broken(
        "a checkpoint exists when all its files do",
        `step ${row.step} of trial row ${row.trial_id}: ${missing?.join(", ") ?? "its list of files"} missing`,
      );
  }

  /** Content of which its runner was told that it is here stays for as long as the allocation lives that asked. */
  #change({ subject, what, cause }: ChangeEntry): void {
    const [, id = ""] = CHECKPOINT_LOST.test(what) ? (ALLOCATION.exec(cause) ?? []) : [];
    const parsed = parseId(id);
    const row = parsed && this.#disk.ledger.allocation(parsed);
    if (row && !this.#ended.has(row.id))
      this.#context.broken(
        "what a runner was promised stays until it is referred to",
        `${subject}: ${what}: ${cause}`,
      );
  }

  /** Which of a snapshot's blobs are not there; null where it is not known at all. */
  #missing(tree: string): string[] | null {
    const blobs = this.#disk.trees.trees.get(tree);
    if (!blobs) return null;
    return [...blobs.keys()].filter((hash) => !this.#disk.blobs.stored.has(hash));
  }

  #trial(row: TrialRow): void {
    const before = this.#trials.get(row.id);
    const name = `${row.experiment_id}.${row.number}`;
    this.#trials.set(row.id, row);
    const siblings = this.#ofExperiment.get(row.experiment_id) ?? new Map<number, TrialState>();
    this.#ofExperiment.set(row.experiment_id, siblings.set(row.number, row.core));
    const { checkpoint, run } = row.core;
    if (before?.end_reason && row.end_reason !== before.end_reason)
      this.#context.broken("a trial that is over stays over", `${name}: ${before.end_reason}`);
    if (before === undefined || run === before.core.run) {
      if (row.step < (before?.step ?? 0))
        this.#context.broken(
          "steps go back only with a restart",
          `${name}: ${before?.step} to ${row.step}`,
        );
      return;
    }
    if (run !== before.core.run + 1)
      this.#context.broken("runs count by one", `${name}: ${before.core.run} to ${run}`);
    if (row.step !== (checkpoint?.step ?? 0))
      this.#context.broken("a run starts at its checkpoint", `${name}: at ${row.step}`);
    if (checkpoint === null) return;
    const saved = this.#disk.ledger
      .rows<CheckpointRow>("checkpoints")
      .some((c) => c.trial_id === row.id && c.tree === checkpoint.tree && c.deleted_at === null);
    if (!saved || this.#missing(checkpoint.tree)?.length !== 0)
      this.#context.broken(
        "a run starts from a checkpoint that exists",
        `${name}: ${checkpoint.tree} ${saved ? "is not whole" : "was deleted"}`,
      );
  }

  /** `said` counts the reports of a program: in order, each once, none between them lost. */
  #report(row: { trial_id: number; run: number; seq: number }): void {
    const key = `${row.trial_id} ${row.run}`;
    const last = this.#lastReport.get(key) ?? { seq: 0, said: 0 };
    const values = this.#disk.ledger.metrics.get(`${key} ${row.seq}`);
    const said = this.#said(values);
    const ended = this.#endOf(row) ?? this.#commit + 1;
    const late = ended < this.#commit;
    if (ended === this.#commit && row.seq > last.seq) this.doubtful.add(`${key} ${row.seq}`);
    if (late && row.seq > last.seq) this.late.add(`${key} ${row.seq}`);
    // What is sent again of one that is over finds its rows there, and decides nothing.
    if (row.seq <= last.seq && late) return;
    if (row.seq <= last.seq)
      this.#context.broken("a report is written once", `event ${row.seq} of trial row ${key}`);
    // A late word of a runner that died before its disk had taken it: kept, though what came before is lost.
    if (said > last.said && late) return;
    if (said !== last.said + 1)
      this.#context.broken(
        "reports are neither lost nor doubled",
        `trial row and run ${key}: report ${said} follows ${last.said}`,
      );
    this.#lastReport.set(key, { seq: row.seq, said });
  }

  /** The commit in which the allocation of a report ended. */
  #endOf({ trial_id: id, run }: { trial_id: number; run: number }): number | undefined {
    const trial = this.#trials.get(id);
    if (!trial) return undefined;
    const { experiment_id: experiment, number } = trial;
    const row = this.#disk.ledger.allocation({ experiment, trial: number, run });
    return row && this.#ended.get(row.id);
  }

  #said(values: ReadonlyMap<string, number> | undefined): number {
    for (const [key, value] of values ?? []) {
      const name = this.#disk.ledger.table("metric_names").get(key.split(" ")[0] ?? "");
      if (name?.name === "said") return value;
    }
    return Number.NaN;
  }

  #mark({ experiment_id: id, archived_at: archived, deleted_at: deleted }: MarksRow): void {
    const { ended_at: ended } = this.#stored(id);
    if (ended === null && (archived ?? deleted) !== null)
      this.#context.broken("only what has ended is archived or deleted", `experiment ${id}`);
  }

  #stored(id: number): ExperimentRow {
    return this.#disk.ledger.table("experiments").get(String(id)) as unknown as ExperimentRow;
  }

  #experiment(id: number, row: Row): void {
    const core = row.core as ExperimentCore;
    const over = this.#over.get(id);
    if (over !== undefined && core.run !== over)
      this.#context.broken(
        "an experiment that is over stays over",
        `${id}: ${over} to ${core.run}`,
      );
    if (isOver(core)) this.#over.set(id, core.run);
    const config = this.#stored(id).config as unknown as ExperimentConfig;
    const trials = [...(this.#ofExperiment.get(id)?.values() ?? [])];
    for (const trial of trials)
      if (trial.restarts > config.max_restarts)
        this.#context.broken("max_restarts is a bound", `${id}.${trial.number}: ${trial.restarts}`);
    const most = config.budget?.trials;
    // One whose hyperparameters were impossible is replaced, whatever the budget says.
    const counted = trials.filter((trial) => trial.over !== "invalid_hyperparameters").length;
    if (most != null && counted > most)
      this.#context.broken("no more trials than the budget allows", `${id}: ${counted}`);
    if (core.run !== "active") return;
    if (config.budget?.steps != null && core.steps >= config.budget.steps)
      this.#context.broken(
        "a budget that is reached ends the search",
        `${id}: ${core.steps} steps`,
      );
    if (!trials.some((t) => t.allocation !== null || wantsSlots(t) || (t.userHold && !t.over)))
      this.#context.broken(
        "an active experiment has a trial that runs, waits for slots, or is held by a person",
        `${id}`,
      );
  }
}
