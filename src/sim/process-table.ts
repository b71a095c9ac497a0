/**
 * The processes of the node: who is alive, in which allocation, on which slots. What the kernel knows, and nothing of
 * what anybody believes; the checkers hold beliefs against it.
 */
export interface SimProcess {
  readonly pid: number;
  readonly allocation: string;
  readonly slots: readonly string[];
  readonly rank: number | null;
  readonly ignoresTerm: boolean;
  /** Asked with SIGTERM, or told by its own code, it ends; set once. */
  alive: boolean;
  /** Told how it ended, as its parent is. */
  readonly onExit: (code: number | null, signal: NodeJS.Signals | null) => void;
}

export class ProcessTable {
  readonly #live = new Map<number, SimProcess>();
  readonly #ofAllocation = new Map<string, Set<SimProcess>>();
  #next = 1000;
  /** Told after each start and end. */
  onChange: (what: "started" | "ended", process: SimProcess) => void = () => undefined;

  get size(): number {
    return this.#live.size;
  }

  all(): SimProcess[] {
    return [...this.#live.values()];
  }

  of(allocation: string): SimProcess[] {
    return [...(this.#ofAllocation.get(allocation) ?? [])];
  }

  /** Allocations with a process that is alive. */
  allocations(): string[] {
    return [...this.#ofAllocation.keys()];
  }

  start(process: Omit<SimProcess, "pid" | "alive">): SimProcess {
    const started: SimProcess = { ...process, pid: this.#next++, alive: true };
    this.#live.set(started.pid, started);
    const siblings = this.#ofAllocation.get(started.allocation) ?? new Set();
    this.#ofAllocation.set(started.allocation, siblings.add(started));
    this.onChange("started", started);
    return started;
  }

  end(process: SimProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (!process.alive) return;
    process.alive = false;
    this.#live.delete(process.pid);
    const siblings = this.#ofAllocation.get(process.allocation);
    siblings?.delete(process);
    if (siblings?.size === 0) this.#ofAllocation.delete(process.allocation);
    this.onChange("ended", process);
    process.onExit(code, signal);
  }
}
