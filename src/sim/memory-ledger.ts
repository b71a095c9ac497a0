/**
 * The ledger in memory: applies a turn's rows to maps as PostgreSQL applies them to tables, all or nothing, with
 * the same keys and the same rules for rows that are there already. `ledger-contract.proc.test.ts` plays one
 * script on both and compares what they give back.
 *
 * What the server goes on changing (the state of a search, of an experiment) is copied when it is written, unless the turn
 * has copied it; everything is copied as JSON would carry it when it is read.
 */

import type { ParsedId } from "../base/ids.ts";
import { fromWire, type WireNumber } from "../base/json.ts";
import type { ClockStep } from "../core/lifecycle/clock-steps.ts";
import type { SearchAction } from "../core/search/search.ts";
import type { Counters, Ledger } from "../server/ledger.ts";
import { CLOCK_STEPS_KEY } from "../server/live-clock-steps.ts";
import type { PastAllocation } from "../server/live-experiment.ts";
import type { StoredExperiment } from "../store/live-rows.ts";
import type {
  AllocationRow,
  ExperimentRow,
  MarksRow,
  PinRow,
  RunnerRow,
  TrialRow,
} from "../store/schema.ts";
import {
  type BatchContents,
  CHAIN_START,
  type ChainTip,
  type ChangeEntry,
  chainHash,
  type MetricPoint,
  type Row,
  type TableName,
  type WriteBatch,
} from "../store/write-batch.ts";

export class LedgerRefusal extends Error {
  override name = "LedgerRefusal";
  /** As PostgreSQL says it: 23505 = a row with this key is there, 23503 = what it refers to is not. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

type Table = Map<string, Row>;

/** Keys besides the primary ones. */
const UNIQUE: Partial<Record<TableName, readonly (readonly string[])[]>> = {
  trials: [["experiment_id", "number"]],
  allocations: [["experiment_id", "trial_number", "run"]],
  metric_names: [["name"]],
};

export interface LinkedChange extends ChainTip {
  readonly entry: ChangeEntry;
}

function keyOf(keys: readonly string[], row: Row): string {
  let text = String(row[keys[0] as string]);
  for (let i = 1; i < keys.length; i++) text += ` ${row[keys[i] as string]}`;
  return text;
}

export class MemoryLedger implements Ledger {
  readonly tables = new Map<TableName, Table>();
  /** By trial, run, and number of the event: metrics of a report. */
  readonly metrics = new Map<string, Map<string, number>>();
  readonly changes: LinkedChange[] = [];
  /** Counts what was applied, and takings over. */
  turn = 0;
  /** A commit that nobody waits for any more, and that may still happen. */
  underway: Promise<void> = Promise.resolve();
  readonly #unique = new Map<string, string>();
  readonly #owner: string;
  readonly #hashed: boolean;

  /** @param hashed false where nobody walks the chain of changes: then its links are told apart and no more */
  constructor(owner = "ada", hashed = true) {
    this.#owner = owner;
    this.#hashed = hashed;
  }

  table(name: TableName): Table {
    const known = this.tables.get(name);
    if (known) return known;
    const table: Table = new Map();
    this.tables.set(name, table);
    return table;
  }

  rows<T>(name: TableName): T[] {
    return [...this.table(name).values()] as T[];
  }

  get tip(): ChainTip {
    return this.changes.at(-1) ?? CHAIN_START;
  }

  async takeOver(): Promise<ChainTip> {
    this.turn += 1;
    const { seq, hash } = this.tip;
    return { seq, hash };
  }

  async holds({ seq, hash }: ChainTip): Promise<boolean> {
    return seq === 0 || this.changes[seq - 1]?.hash.equals(hash) === true;
  }

  async commit(batch: WriteBatch, tip: ChainTip): Promise<ChainTip> {
    return this.apply(batch.contents, tip);
  }

  async storeAhead(metrics: readonly MetricPoint[]): Promise<void> {
    this.#putMetrics(metrics);
  }

  #putMetrics(metrics: readonly MetricPoint[]): void {
    for (const { trial, run, seq, step, name, value } of metrics) {
      const key = `${trial} ${run} ${seq}`;
      const own = this.metrics.get(key) ?? new Map<string, number>();
      this.metrics.set(key, own);
      const named = `${name} ${step}`;
      if (!own.has(named)) own.set(named, value);
    }
  }

  /** @throws LedgerRefusal, having changed nothing */
  apply(contents: BatchContents, tip: ChainTip): ChainTip {
    if (contents.works > 0) throw new Error("a ledger in memory cannot run statements");
    const { seq: last, hash: lastHash } = this.tip;
    if (contents.changes.length > 0 && (tip.seq !== last || !lastHash.equals(tip.hash)))
      throw new LedgerRefusal("23505", `change ${tip.seq + 1} is there already or comes too early`);
    this.#check(contents);
    this.turn += 1;
    for (const { table, keys, rows, onConflict } of contents.tables)
      for (const row of rows) {
        this.#put(table, keys, table === "experiments" ? asMade(row) : row, onConflict);
      }
    const experiments = this.table("experiments");
    for (const [id, columns] of contents.experimentUpdates)
      this.#replace(experiments, String(id), columns);
    for (const [id, { state, events }] of contents.searchSnapshots)
      this.#replace(experiments, String(id), {
        ...{ search_state: stored(state), search_events: events },
      });
    const checkpoints = this.table("checkpoints");
    for (const { trial_id, run, step, tree, ...marks } of contents.checkpointDeletions)
      this.#replace(checkpoints, `${trial_id} ${run} ${step} ${tree}`, marks);
    this.#ackPast(contents.pastAcks);
    const allocations = this.table("allocations");
    for (const [id, exit] of contents.lateExits) {
      const there = allocations.get(String(id));
      if (there?.state === "ended" && there.exit_heard_at === null)
        allocations.set(String(id), { ...there, ...exit });
    }
    this.#putMetrics(contents.metrics);
    let { seq, hash } = tip;
    for (const entry of contents.changes) {
      seq += 1;
      hash = this.#hashed ? chainHash(hash, seq, entry) : Buffer.from(`${this.turn} ${seq}`);
      this.changes.push({ seq, hash, entry });
    }
    return { seq, hash };
  }

  #check({ tables, experimentUpdates }: BatchContents): void {
    const coming = (name: TableName, key: string): boolean =>
      tables.some((t) => t.table === name && t.rows.some((row) => String(row.id) === key));
    for (const { table, keys, rows, onConflict } of tables) {
      const there = this.table(table);
      const uniques = onConflict === "update" ? (UNIQUE[table] ?? []) : [];
      const ofExperiment = table === "trials" || table === "search_events";
      for (const row of rows) {
        if (onConflict === "refuse" && there.has(keyOf(keys, row)))
          throw new LedgerRefusal("23505", `${table}: ${keyOf(keys, row)} is there already`);
        for (const unique of uniques) {
          const holder = this.#unique.get(`${table} ${keyOf(unique, row)}`);
          if (holder !== undefined && holder !== keyOf(keys, row))
            throw new LedgerRefusal("23505", `${table}: ${keyOf(unique, row)} is there already`);
        }
        if (!ofExperiment) continue;
        const id = String(row.experiment_id);
        if (!this.table("experiments").has(id) && !coming("experiments", id))
          throw new LedgerRefusal("23503", `${table}: there is no experiment ${id}`);
      }
    }
    for (const id of experimentUpdates.keys())
      if (!this.table("experiments").has(String(id)) && !coming("experiments", String(id)))
        throw new LedgerRefusal("23503", `there is no experiment ${id}`);
  }

  #put(name: TableName, keys: readonly string[], row: Row, onConflict: string): void {
    const table = this.table(name);
    const key = keyOf(keys, row);
    const there = table.get(key);
    if (there !== undefined && onConflict === "nothing") return;
    for (const unique of UNIQUE[name] ?? []) {
      const other = `${name} ${keyOf(unique, row)}`;
      // "On conflict do nothing" means any of the table's keys.
      if (onConflict === "nothing" && this.#unique.has(other)) return;
      this.#unique.set(other, key);
    }
    if (there && onConflict === "revive")
      table.set(key, { ...there, deleted_at: null, deleted_why: null });
    else table.set(key, there === undefined ? row : { ...there, ...row });
  }

  #replace(table: Table, key: string, columns: Row): void {
    const there = table.get(key);
    if (there) table.set(key, { ...there, ...columns });
  }

  #ackPast(acks: ReadonlyMap<number, number>): void {
    const allocations = this.table("allocations");
    for (const [id, acked] of acks) {
      const there = allocations.get(String(id));
      if (there)
        allocations.set(String(id), { ...there, acked: Math.max(Number(there.acked), acked) });
    }
  }

  async load(ids?: readonly number[]): Promise<StoredExperiment[]> {
    const found = this.rows<ExperimentRow>("experiments")
      .filter((row) => (ids === undefined ? row.ended_at === null : ids.includes(row.id)))
      .sort((a, b) => a.id - b.id);
    return found.map((row) => this.#stored(row));
  }

  #stored(row: ExperimentRow): StoredExperiment {
    const trials = this.rows<TrialRow>("trials")
      .filter((trial) => trial.experiment_id === row.id)
      .sort((a, b) => a.number - b.number);
    const allocations = this.rows<AllocationRow>("allocations").filter(
      (a) => a.experiment_id === row.id && a.state !== "ended",
    );
    const events = this.rows<SearchEventRow>("search_events")
      .filter((event) => event.experiment_id === row.id && event.seq > row.search_events)
      .sort((a, b) => a.seq - b.seq);
    const decisions = this.rows<{ experiment_id: number; seq: number }>("decisions");
    const seqs = decisions.filter((d) => d.experiment_id === row.id).map((d) => d.seq);
    // What is written at its creation alone is nobody's to change.
    const experiment = { ...row, core: stored(row.core), search_state: stored(row.search_state) };
    return {
      row: {
        ...(experiment as ExperimentRow),
        ...{ best_objective: number(row.best_objective), owner: this.#owner },
      },
      trials: trials.map((trial) => ({
        ...(stored(trial) as TrialRow),
        objective: number(trial.objective),
        best_objective: number(trial.best_objective),
      })),
      allocations: stored(allocations) as AllocationRow[],
      searchTail: events.map(({ event, at_ms }) => ({
        event: stored(event) as SearchEventRow["event"],
        atMs: at_ms,
      })),
      lastDecision: Math.max(0, ...seqs),
    };
  }

  async counters(): Promise<Counters> {
    const highest = (name: TableName, column: string): number => {
      let max = 0;
      for (const row of this.table(name).values()) max = Math.max(max, Number(row[column]));
      return max;
    };
    return {
      experiment: highest("experiments", "id"),
      trial: highest("trials", "id"),
      allocation: highest("allocations", "id"),
      ordersVersion: highest("allocations", "orders_version"),
      metricNames: this.rows<{ id: number; name: string }>("metric_names").map((n) => ({ ...n })),
      pins: this.rows<PinRow>("pins")
        .filter(({ pinned }) => pinned)
        .map(({ experiment_id, tree }) => ({ experiment_id, tree }))
        .sort((a, b) => a.experiment_id - b.experiment_id || (a.tree < b.tree ? -1 : 1)),
      marks: this.rows<MarksRow>("experiment_marks")
        .filter((m) => m.emptied_at === null && (m.archived_at ?? m.deleted_at) !== null)
        .map((m) => ({ ...m }))
        .sort((a, b) => a.experiment_id - b.experiment_id),
      runners: this.rows<RunnerRow>("runners")
        .map((row) => ({ ...row }))
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
      clockSteps: (this.table("settings").get(CLOCK_STEPS_KEY)?.value ?? []) as ClockStep[],
    };
  }

  allocation({ experiment, trial, run }: ParsedId): AllocationRow | undefined {
    const key = this.#unique.get(`allocations ${experiment} ${trial} ${run}`);
    return key === undefined ? undefined : (this.table("allocations").get(key) as never);
  }

  trial(experiment: number, number: number): TrialRow | undefined {
    const key = this.#unique.get(`trials ${experiment} ${number}`);
    return key === undefined ? undefined : (this.table("trials").get(key) as never);
  }

  past(id: ParsedId): PastAllocation | undefined {
    const row = this.allocation(id);
    const trial = row && this.trial(row.experiment_id, row.trial_number);
    if (!row || !trial) return undefined;
    return {
      id: row.id,
      run: row.run,
      trialId: trial.id,
      trial: `${row.experiment_id}.${row.trial_number}`,
      acked: row.acked,
      unseen: row.exit_heard_at === null,
    };
  }
}

export interface SearchEventRow {
  readonly experiment_id: number;
  readonly seq: number;
  readonly at_ms: number;
  readonly event: StoredExperiment["searchTail"][number]["event"];
  readonly actions: readonly SearchAction[];
}

/** The states as they were made, which go on in memory; the rest of the row never changes. */
const asMade = (row: Row): Row => ({
  ...row,
  ...{ core: stored(row.core), search_state: stored(row.search_state) },
});

const number = (value: WireNumber | null): number | null =>
  value === null ? null : fromWire(value);

/** A copy as `stringifyExact` and `reviveExact` would give it; dates stay dates. */
export function stored(value: unknown): unknown {
  if (value === 0) return 0;
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map((item) => (item === undefined ? null : stored(item)));
  // Copied whole and then mended: far cheaper than member by member, of which few are more than a number or a word.
  const copy: Record<string, unknown> = { ...value };
  for (const key of Object.keys(copy)) {
    const item = copy[key];
    if (item === undefined) delete copy[key];
    else if (typeof item === "object" ? item !== null : item === 0) copy[key] = stored(item);
  }
  return copy;
}
