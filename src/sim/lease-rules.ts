/**
 * Rules about leases, held against the true time, the network and the process tables: who is lost was out of reach for
 * long enough, no engine had said that it lives, and what it left behind is told of in the end.
 */
import type { Sighting } from "../core/lease/lease.ts";
import type { AllocationRow, RunnerRow } from "../store/schema.ts";
import type { BatchContents } from "../store/write-batch.ts";
import type { MemoryLedger } from "./memory-ledger.ts";
import type { SimProcess } from "./process-table.ts";
import type { SimContext } from "./sim-context.ts";

/** Clocks run up to a tenth too fast, and a request that is under way has been heard by nobody. */
const SHARE_OF_TRUE_TIME = 0.85;

export class LeaseRules {
  readonly #context: SimContext;
  readonly #standing = new Map<string, RunnerRow["standing"]>();
  /** What the engine said of each runner, with the true time in which a ready server had heard nothing of it by then.
   *  A decision is made on such a word, and may be a long time on its way to the ledger. */
  readonly #said = new Map<string, { state: Sighting["state"]; unheardMs: number }[]>();
  /** Leases that were lost. */
  lost = 0;

  readonly #processesOf: (runner: string) => readonly SimProcess[];

  /** @param processesOf those that live on a runner's node */
  constructor(context: SimContext, processesOf: (runner: string) => readonly SimProcess[]) {
    this.#context = context;
    this.#processesOf = processesOf;
  }

  engineSaid(runner: string, { state }: Sighting, unheardMs: number): void {
    const said = this.#said.get(runner) ?? [];
    this.#said.set(runner, [...said, { state, unheardMs }]);
  }

  check(contents: BatchContents): void {
    const table = contents.tables.find(({ table: name }) => name === "runners");
    for (const row of (table?.rows ?? []) as unknown as readonly RunnerRow[]) {
      const before = this.#standing.get(row.id) ?? "held";
      this.#standing.set(row.id, row.standing);
      if (before === row.standing) continue;
      if (row.standing === "lost") this.#lost(row, before);
      if (before === "lost") this.#back(row);
      // The engine may have been asked while the word "silent" was still on its way to the ledger.
      if (row.standing !== "silent") this.#said.delete(row.id);
    }
  }

  /** From now on its slots are granted again. */
  #back({ id }: RunnerRow): void {
    const left = this.#processesOf(id).find(({ allocation }) =>
      this.#context.givenUp.has(allocation),
    );
    if (left)
      this.#context.broken(
        "who is back runs nothing that was given up",
        `${id} runs ${left.allocation}`,
      );
  }

  #lost(row: RunnerRow, before: RunnerRow["standing"]): void {
    this.lost += 1;
    const { leaseMs, lostMs } = this.#context.scenario.lease;
    const said = this.#said.get(row.id) ?? [];
    const words = said.map(({ state, unheardMs }) => `${state} after ${Math.round(unheardMs)} ms`);
    const text = `${row.id}: the engine had said ${words.join(", ") || "nothing"}`;
    if (before !== "silent")
      this.#context.broken("nobody is lost who was not silent", `${row.id} was ${before}`);
    if (said.every(({ state }) => state === "alive"))
      this.#context.broken("what lives is not given up", text);
    const due = { alive: Number.POSITIVE_INFINITY, gone: leaseMs, unknown: lostMs };
    if (!said.some(({ state, unheardMs }) => unheardMs >= due[state] * SHARE_OF_TRUE_TIME))
      this.#context.broken(
        "a lease runs only while the server listens and hears nothing",
        `${text}; a lease is ${leaseMs} to ${lostMs} ms`,
      );
  }

  /** @param begun allocations of which something was started */
  checkEnd(ledger: MemoryLedger, begun: ReadonlySet<string>): void {
    for (const row of ledger.rows<AllocationRow>("allocations")) {
      const id = `${row.experiment_id}.${row.trial_number}.${row.run}`;
      if (row.exit_heard_at === null && begun.has(id))
        this.#context.broken("a late exit is kept", `nobody told how ${id} ended`);
    }
  }
}
