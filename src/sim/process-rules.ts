/** Rules about what runs: held against the process table alone, at every start of a process. */
import type { ProcessTable, SimProcess } from "./process-table.ts";
import type { SimContext } from "./sim-context.ts";

export class ProcessRules {
  readonly #context: SimContext;
  readonly #table: ProcessTable;
  /** Allocations that have run here and of which nothing was left. */
  readonly #gone = new Set<string>();
  readonly #begun = new Set<string>();

  constructor(context: SimContext, table: ProcessTable) {
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
      if (this.#begun.has(allocation))
        this.#context.broken("an allocation is started once", `${allocation} was started again`);
      this.#begun.add(allocation);
    }
    const trial = allocation.slice(0, allocation.lastIndexOf("."));
    for (const other of this.#table.allocations()) {
      if (other === allocation) continue;
      if (other.startsWith(`${trial}.`))
        this.#context.broken("a trial runs once", `${allocation} was started beside ${other}`);
      const shared = this.#table.of(other)[0]?.slots.find((slot) => process.slots.includes(slot));
      if (shared !== undefined)
        this.#context.broken("a slot is used once", `${shared} by ${allocation} and ${other}`);
    }
  }
}
