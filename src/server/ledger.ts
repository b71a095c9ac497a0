/**
 * What the decision loop needs of a database, and nothing else: read where it stands, write one turn in one
 * transaction, read back what was written. PostgreSQL stands behind it in earnest; the simulator has
 * one in memory, so that the loop and all it decides run there as they are.
 *
 * The seam lies at the turn, not at the statement: an imitation of SQL would have to be believed, while rows
 * keyed by primary keys can be compared with what PostgreSQL gives back (src/sim/ledger-contract.proc.test.ts).
 */
import type { ClockStep } from "../core/lifecycle/clock-steps.ts";
import type { StoredExperiment } from "../store/live-rows.ts";
import type { MarksRow, RunnerRow } from "../store/schema.ts";
import type { ChainTip, MetricPoint, WriteBatch } from "../store/write-batch.ts";

/** The highest numbers that were handed out and are durable; 0 = none. */
export interface Counters {
  readonly experiment: number;
  readonly trial: number;
  readonly allocation: number;
  readonly ordersVersion: number;
  readonly metricNames: readonly { readonly id: number; readonly name: string }[];
  /** Trees that people have pinned. */
  readonly pins: readonly { readonly experiment_id: number; readonly tree: string }[];
  /** Experiments that are archived or deleted, and are not emptied. */
  readonly marks: readonly MarksRow[];
  readonly runners: readonly RunnerRow[];
  /** Where the wall clock was set forward. */
  readonly clockSteps: readonly ClockStep[];
}

/** Another writer has taken the ledger over. Nothing was written, and all that is held in memory may be out of date. */
export class LedgerMoved extends Error {
  override name = "LedgerMoved";
}

/** What was durable is there no more: the end of the chain was cut off, or the database is an older copy of itself. */
export class ChainCut extends Error {
  override name = "ChainCut";
  /** @param known the end that was durable @param found the end that there is now */
  constructor(known: ChainTip, found: ChainTip) {
    super(
      `event ${known.seq} with the hash ${known.hash.toString("hex")} was written and is not in the log of changes any ` +
        `more, which ends with event ${found.seq} now: somebody cut it off, or the database is an older copy. The server ` +
        "goes on from there, and `contrail audit verify` names the event for as long as it runs",
    );
  }
}

export interface Ledger {
  /**
   * From now on nothing happens here that was begun before: a commit whose answer was lost has happened when this
   * returns, or never will. Due before anything is read that a later turn builds on, at the start (a commit of the
   * server before may still be under way) and after every failure. @returns the end of the chain of changes
   */
  takeOver(): Promise<ChainTip>;
  /** Whether the chain of changes still has this event, with this hash. */
  holds(place: ChainTip): Promise<boolean>;
  /**
   * Writes all of the batch or nothing. A failure leaves the outcome unknown until `takeOver`.
   * @param tip the end of the chain that the batch builds on @returns its new end, durable @throws LedgerMoved
   */
  commit(batch: WriteBatch, tip: ChainTip): Promise<ChainTip>;
  /**
   * Metrics of a report that nobody has been told of yet, beside the turns and without holding them up. They decide
   * nothing, and the same keys change nothing the second time, so it matters neither when nor how often it happens.
   * A failure leaves the outcome unknown.
   */
  storeAhead(metrics: readonly MetricPoint[]): Promise<void>;
  /** @param ids which experiments; absent = all that have not ended */
  load(ids?: readonly number[]): Promise<StoredExperiment[]>;
  counters(): Promise<Counters>;
}
