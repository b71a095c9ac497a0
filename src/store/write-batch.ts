/**
 * Everything that one turn of the decision loop has to write, gathered in memory and flushed in one
 * transaction with one statement a table.
 *
 * A statement costs about as much as a hundred rows and an fsync as much as a thousand, so the batch is what
 * lets a server on a slow disk acknowledge thousands of reports a second, each of them durable. Rows go as
 * one JSON parameter through json_populate_recordset, metrics (by far the most) as arrays through unnest.
 *
 * The chain of changes is computed here because its order is the order of commits: one writer, one batch
 * after the other.
 */
import { hash } from "node:crypto";
import type pg from "pg";
import { assert } from "../base/assert.ts";
import { type JsonObject, stringifyExact, toWire } from "../base/json.ts";
import type { Database } from "./schema.ts";

export interface ChangeEntry {
  readonly at: Date;
  readonly actor: string;
  readonly experimentId: number | null;
  readonly subject: string;
  readonly what: string;
  readonly cause: string;
}

/**
 * Statements of its own inside the batch's transaction, and the changes that they were. It may run again when a
 * turn is repeated, and must not fail for what the data are: a failure takes the whole batch with it.
 */
export type Work = (client: pg.ClientBase) => Promise<readonly ChangeEntry[]>;

/** The end of the chain: what the next change builds on. */
export interface ChainTip {
  readonly seq: number;
  readonly hash: Buffer;
}

export const CHAIN_START: ChainTip = { seq: 0, hash: Buffer.alloc(32) };

export type Row = Readonly<Record<string, unknown>>;
export type TableName = keyof Database;

/**
 * What to do when the key is there already. refuse = the whole batch fails; revive = it stays as it is, but is not deleted
 * any more.
 */
export type OnConflict = "nothing" | "update" | "refuse" | "revive";

/** Whose bytes go. Times as dates, `why` as a sentence. */
export interface CheckpointDeletion {
  readonly trial_id: number;
  readonly run: number;
  readonly step: number;
  readonly tree: string;
  readonly deleted_at: Date;
  readonly deleted_why: string;
}

export interface MetricPoint {
  readonly trial: number;
  readonly name: number;
  readonly step: number;
  readonly run: number;
  readonly seq: number;
  readonly value: number;
}

/** What `flush` would write, in its order, for a ledger that is no database. */
export interface BatchContents {
  readonly tables: readonly {
    readonly table: TableName;
    readonly keys: readonly string[];
    readonly rows: readonly Row[];
    readonly onConflict: OnConflict;
  }[];
  /** By id: columns to be replaced. */
  readonly experimentUpdates: ReadonlyMap<number, Row>;
  readonly searchSnapshots: ReadonlyMap<number, { state: unknown; events: number }>;
  /** Rows of `checkpoints` that are marked; the last word of a batch on each. */
  readonly checkpointDeletions: readonly CheckpointDeletion[];
  readonly metrics: readonly MetricPoint[];
  /** Allocation → acknowledged number, which never goes down. */
  readonly pastAcks: ReadonlyMap<number, number>;
  /** Allocations that had ended before their processes did: how those ended. */
  readonly lateExits: ReadonlyMap<number, LateExit>;
  readonly changes: readonly ChangeEntry[];
  /** Statements for a database: nothing else can run them. */
  readonly works: number;
}

/** What the runner told of processes whose allocation had been given up: the columns of that row. */
export interface LateExit {
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly exit_detail: JsonObject;
  readonly log_lines: number;
  readonly exit_heard_at: Date;
}

const KEYS: Partial<Record<TableName, readonly string[]>> = {
  experiments: ["id"],
  ancestry: ["experiment_id"],
  trials: ["id"],
  allocations: ["id"],
  verdicts: ["experiment_id", "trial_number", "at"],
  search_events: ["experiment_id", "seq"],
  decisions: ["experiment_id", "trial_number", "seq"],
  reports: ["trial_id", "run", "seq"],
  checkpoints: ["trial_id", "run", "step", "tree"],
  idempotency: ["user_id", "key"],
  metric_names: ["id"],
  pins: ["experiment_id", "tree"],
  experiment_marks: ["experiment_id"],
  retained: ["experiment_id"],
  runners: ["id"],
  settings: ["key"],
};

/** Parents before children. */
const ORDER: readonly TableName[] = [
  "experiments",
  "ancestry",
  "trials",
  "allocations",
  "verdicts",
  "search_events",
  "decisions",
  "metric_names",
  "reports",
  "checkpoints",
  "idempotency",
  "pins",
  "experiment_marks",
  "retained",
  "runners",
  "settings",
];

/** Columns that a change of an experiment rewrites; the rest never changes after creation. */
const EXPERIMENT_UPDATES = [
  "state",
  "reason",
  "core",
  "progress",
  "best_trial",
  "best_step",
  "best_objective",
  "steps",
  "slot_ms",
  "started_at",
  "ended_at",
] as const;

export class WriteBatch {
  readonly #tables = new Map<TableName, { rows: Map<string, Row>; onConflict: OnConflict }>();
  readonly #experimentUpdates = new Map<number, Row>();
  readonly #searchSnapshots = new Map<number, { state: unknown; events: number }>();
  readonly #checkpointDeletions = new Map<string, CheckpointDeletion>();
  readonly #metrics: MetricPoint[] = [];
  readonly #changes: ChangeEntry[] = [];
  readonly #works: Work[] = [];
  readonly #pastAcks = new Map<number, number>();
  readonly #lateExits = new Map<number, LateExit>();

  get empty(): boolean {
    return (
      this.#tables.size === 0 &&
      this.#experimentUpdates.size === 0 &&
      this.#searchSnapshots.size === 0 &&
      this.#checkpointDeletions.size === 0 &&
      this.#metrics.length === 0 &&
      this.#pastAcks.size === 0 &&
      this.#lateExits.size === 0 &&
      this.#works.length === 0 &&
      this.#changes.length === 0
    );
  }

  get contents(): BatchContents {
    const tables = ORDER.flatMap((table) => {
      const entry = this.#tables.get(table);
      const keys = KEYS[table];
      if (!entry || !keys) return [];
      return [{ table, keys, rows: [...entry.rows.values()], onConflict: entry.onConflict }];
    });
    return {
      tables,
      experimentUpdates: this.#experimentUpdates,
      searchSnapshots: this.#searchSnapshots,
      checkpointDeletions: [...this.#checkpointDeletions.values()],
      metrics: this.#metrics,
      pastAcks: this.#pastAcks,
      lateExits: this.#lateExits,
      changes: this.#changes,
      works: this.#works.length,
    };
  }

  /** A row of which a later version in the same batch replaces the earlier. */
  put(table: TableName, row: Row, onConflict: OnConflict = "update"): void {
    const keys = KEYS[table];
    assert(keys, `table ${table} is not written in batches`);
    let entry = this.#tables.get(table);
    if (!entry) {
      entry = { rows: new Map(), onConflict };
      this.#tables.set(table, entry);
    }
    assert(entry.onConflict === onConflict, `table ${table} is written in two ways`);
    entry.rows.set(keyOf(keys, row), row);
  }

  /**
   * One that was saved. Where the same content had been saved at this step before and was deleted meanwhile, it is
   * there again: its bytes were sent anew or never went. When it was saved first stays, and with it its rank.
   */
  checkpoint(row: Row): void {
    this.put("checkpoints", { ...row, deleted_at: null, deleted_why: null }, "revive");
    this.#checkpointDeletions.delete(keyOf(KEYS.checkpoints ?? [], row));
  }

  deleteCheckpoint(deletion: CheckpointDeletion): void {
    this.#checkpointDeletions.set(keyOf(KEYS.checkpoints ?? [], { ...deletion }), deletion);
  }

  updateExperiment(id: number, row: Record<(typeof EXPERIMENT_UPDATES)[number], unknown>): void {
    this.#experimentUpdates.set(id, { id, ...row });
  }

  saveSearch(experimentId: number, state: unknown, events: number): void {
    this.#searchSnapshots.set(experimentId, { state, events });
  }

  metric(row: MetricPoint): void {
    this.#metrics.push(row);
  }

  /** An allocation that is over has delivered more of what it measured. */
  ackPast(allocation: number, acked: number): void {
    this.#pastAcks.set(allocation, acked);
  }

  /** The exit of processes whose allocation had ended without it; one that is known already stays. */
  lateExit(allocation: number, exit: LateExit): void {
    this.#lateExits.set(allocation, exit);
  }

  change(entry: ChangeEntry): void {
    this.#changes.push(entry);
  }

  /** Writes to tables that batches do not know (users, tokens, datasets), in the same transaction as its change. */
  work(work: Work): void {
    this.#works.push(work);
  }

  /**
   * Writes everything through `client`, inside the caller's transaction. The statements are made before the
   * first is sent and then sent together (pools are opened in pipeline mode), so that a turn waits for one
   * answer instead of ten. COMMIT is the caller's, after all of them have succeeded.
   * @returns the new end of the chain
   */
  async flush(client: pg.ClientBase, tip: ChainTip): Promise<ChainTip> {
    const statements = this.#statements();
    const changes = [...this.#changes];
    if (this.#works.length > 0) await sendAll(client, statements.splice(0));
    for (const work of this.#works) changes.push(...(await work(client)));
    const { statement, next } = chained(tip, changes);
    await sendAll(client, [...statements, ...statement]);
    return next;
  }

  #statements(): pg.QueryConfig[] {
    const statements = ORDER.flatMap((table) => {
      const entry = this.#tables.get(table);
      return entry ? populate(table, [...entry.rows.values()], entry.onConflict) : [];
    });
    if (this.#experimentUpdates.size > 0)
      statements.push({
        name: "update_experiments",
        text: UPDATE_EXPERIMENTS,
        values: [stringifyExact([...this.#experimentUpdates.values()])],
      });
    for (const [id, { state, events }] of this.#searchSnapshots)
      statements.push({
        name: "save_search",
        text: "update experiments set search_state = $2::jsonb, search_events = $3 where id = $1",
        values: [id, stringifyExact(state), events],
      });
    if (this.#checkpointDeletions.size > 0)
      statements.push({
        name: "delete_checkpoints",
        text: `update checkpoints c set deleted_at = r.deleted_at, deleted_why = r.deleted_why
          from json_populate_recordset(null::checkpoints, $1::json) r
          where c.trial_id = r.trial_id and c.run = r.run and c.step = r.step and c.tree = r.tree`,
        values: [stringifyExact([...this.#checkpointDeletions.values()])],
      });
    if (this.#pastAcks.size > 0)
      statements.push({
        name: "ack_past",
        text: `update allocations a set acked = greatest(a.acked, r.acked)
          from unnest($1::int[], $2::bigint[]) as r(id, acked) where a.id = r.id`,
        values: [[...this.#pastAcks.keys()], [...this.#pastAcks.values()]],
      });
    for (const [id, exit] of this.#lateExits)
      statements.push({
        name: "late_exit",
        text: `update allocations set exit_code = $2, signal = $3, exit_detail = $4::jsonb, log_lines = $5, exit_heard_at = $6
          where id = $1 and state = 'ended' and exit_heard_at is null`,
        values: [
          ...[id, exit.exit_code, exit.signal, stringifyExact(exit.exit_detail)],
          ...[exit.log_lines, exit.exit_heard_at],
        ],
      });
    if (this.#metrics.length > 0) statements.push(insertMetrics(this.#metrics));
    return statements;
  }
}

function keyOf(keys: readonly string[], row: Row): string {
  let text = String(row[keys[0] as string]);
  for (let i = 1; i < keys.length; i++) text += `\u0000${row[keys[i] as string]}`;
  return text;
}

/** Fails as the first of them that fails; those behind it in the transaction fail because of it. */
async function sendAll(
  client: pg.ClientBase,
  statements: readonly pg.QueryConfig[],
): Promise<void> {
  const sent = await Promise.allSettled(statements.map((statement) => client.query(statement)));
  for (const result of sent) if (result.status === "rejected") throw result.reason;
}

/**
 * Arrays as text made here: the driver's own way of writing an array quotes and escapes each element, which for
 * numbers is most of its cost.
 */
export function insertMetrics(rows: readonly MetricPoint[]): pg.QueryConfig {
  const column = (text: (row: MetricPoint) => number | string): string =>
    `{${rows.map(text).join(",")}}`;
  return {
    name: "insert_metrics",
    text: `insert into metrics (trial_id, name_id, step, run, seq, value)
      select * from unnest($1::int[], $2::int[], $3::bigint[], $4::int[], $5::bigint[], $6::float8[])
      on conflict do nothing`,
    values: [
      column((row) => row.trial),
      column((row) => row.name),
      column((row) => row.step),
      column((row) => row.run),
      column((row) => row.seq),
      column(({ value }) => (Object.is(value, -0) ? "-0" : toWire(value))),
    ],
  };
}

/** No statement where there is no change. */
function chained(
  tip: ChainTip,
  changes: readonly ChangeEntry[],
): { readonly statement: pg.QueryConfig[]; readonly next: ChainTip } {
  if (changes.length === 0) return { statement: [], next: tip };
  let { seq, hash } = tip;
  const rows = changes.map((entry) => {
    seq += 1;
    hash = chainHash(hash, seq, entry);
    return {
      seq,
      at: entry.at.toISOString(),
      actor: entry.actor,
      experiment_id: entry.experimentId,
      subject: entry.subject,
      what: entry.what,
      cause: entry.cause,
      hash: `\\x${hash.toString("hex")}`,
    };
  });
  const statement = {
    name: "insert_changes",
    text: "insert into changes select * from json_populate_recordset(null::changes, $1::json)",
    values: [JSON.stringify(rows)],
  };
  return { statement: [statement], next: { seq, hash } };
}

/** A change as it enters the hash: the time as text, in UTC with milliseconds. */
export interface ChainFields extends Omit<ChangeEntry, "at"> {
  readonly seq: number;
  readonly at: string;
}

/** SHA-256 over the hash before and the row's fields as JSON, in this order; docs/audit.md describes it to others. */
export function linkHash(previous: Buffer, entry: ChainFields): Buffer {
  const { seq, at, actor, experimentId, subject, what, cause } = entry;
  const fields = [seq, at, actor, experimentId, subject, what, cause];
  return hash("sha256", Buffer.concat([previous, Buffer.from(JSON.stringify(fields))]), "buffer");
}

export const chainHash = (previous: Buffer, seq: number, entry: ChangeEntry): Buffer =>
  linkHash(previous, { ...entry, seq, at: entry.at.toISOString() });

const UPDATE_EXPERIMENTS = `update experiments e set ${EXPERIMENT_UPDATES.map((c) => `${c} = r.${c}`).join(", ")}
    from json_populate_recordset(null::experiments, $1::json) r where e.id = r.id`;

/** The columns are those of the first row: every row of a table in a batch has the same. */
function populate(
  table: TableName,
  rows: readonly Row[],
  onConflict: OnConflict,
): pg.QueryConfig[] {
  const first = rows[0];
  const keys = KEYS[table];
  if (!first || !keys) return [];
  // Sorted: rows of one table come from several hands, and the statement of a name is one and the same.
  const columns = Object.keys(first).toSorted();
  const updates = columns.filter((column) => !keys.includes(column));
  const conflict =
    onConflict === "refuse"
      ? ""
      : onConflict === "nothing" || updates.length === 0
        ? "on conflict do nothing"
        : onConflict === "revive"
          ? `on conflict (${keys.join(", ")}) do update set deleted_at = null, deleted_why = null`
          : `on conflict (${keys.join(", ")}) do update set ${updates.map((c) => `${c} = excluded.${c}`).join(", ")}`;
  const statement = {
    name: `populate_${table}`,
    text: `insert into ${table} (${columns.join(", ")})
      select ${columns.join(", ")} from json_populate_recordset(null::${table}, $1::json)
      ${conflict}`,
    values: [stringifyExact(rows)],
  };
  return [statement];
}
