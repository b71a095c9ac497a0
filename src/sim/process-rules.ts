/** Rules about what runs: held against the process tables of all nodes alone, at every start of a process. */
import type { ProcessTable, SimProcess } from "./process-table.ts";
import type { SimContext } from "./sim-context.ts";

export class ProcessRules {
  readonly #context: SimContext;
  readonly #table: Pick<ProcessTable, "of" | "allocations">;
  /** Allocations that have run here and of which nothing was left. */
  readonly #gone = new Set<string>();
  /** Allocations of which something was started. */
  readonly begun = new Set<string>();

  constructor(context: SimContext, table: Pick<ProcessTable, "of" | "allocations">) {
    this.#context = context;
    this.#table = table;
  }

  changed(what: "started" | "ended", process: SimProcess): void {
    const { allocation } = process;
    if (what === "ended") {
      if (this.#table.of(allocation).length === 0) this.#gone.add(allocation);
      return;
    }
    if (process.rank === 0) {
      if (this.begun.has(allocation))
        this.#context.broken("an allocation is started once", `${allocation} was started again`);
      this.begun.add(allocation);
    }
    const trial = allocation.slice(0, allocation.lastIndexOf("."));
    for (const other of this.#table.allocations()) {
      if (other === allocation) continue;
      // What was given up may run on: the server counts on nothing that it says.
      const givenUp = [allocation, other].some((id) => this.#context.givenUp.has(id));
      if (other.startsWith(`${trial}.`) && !givenUp)
        this.#context.broken("a trial runs once", `${allocation} was started beside ${other}`);
      const shared = this.#table.of(other)[0]?.slots.find((slot) => process.slots.includes(slot));
      if (shared !== undefined)
        this.#context.broken("a slot is used once", `${shared} by ${allocation} and ${other}`);
    }
  }
}
