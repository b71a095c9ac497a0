/**
 * What people have said about things that are not in memory any more: pins, archived and deleted experiments. Held in the
 * world, so that the decision loop decides about them without asking the database, and loaded again with the
 * counters after a commit that failed. Only what still matters is held; most experiments have no entry.
 */
import type { MarksRow } from "../../store/schema.ts";
import type { Counters } from "../ledger.ts";

export type Marks = Readonly<MarksRow>;

export const unmarked = (experiment: number): Marks => ({
  experiment_id: experiment,
  archived_at: null,
  deleted_at: null,
  deleted_by: null,
  purged_at: null,
  emptied_at: null,
});

export class RetentionState {
  readonly #pins = new Map<number, Set<string>>();
  readonly #marks = new Map<number, Marks>();
  /** Trees of checkpoints that a request is about to refer to, and by how many. */
  readonly #wanted = new Map<string, number>();
  /** How many replays of each experiment's trials have begun since the server started. */
  readonly #replays = new Map<number, number>();

  load({ pins, marks }: Pick<Counters, "pins" | "marks">): void {
    this.#pins.clear();
    this.#marks.clear();
    for (const { experiment_id: experiment, tree } of pins) this.setPin(experiment, tree, true);
    for (const row of marks) this.#marks.set(row.experiment_id, row);
  }

  pinned(experiment: number): ReadonlySet<string> {
    return this.#pins.get(experiment) ?? new Set();
  }

  setPin(experiment: number, tree: string, pinned: boolean): void {
    const own = this.#pins.get(experiment) ?? new Set<string>();
    if (pinned) own.add(tree);
    else own.delete(tree);
    if (own.size > 0) this.#pins.set(experiment, own);
    else this.#pins.delete(experiment);
  }

  /** Keeps it from being given up, from before it is looked up until what refers to it is in the world. */
  want(tree: string): Disposable {
    this.#wanted.set(tree, (this.#wanted.get(tree) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const others = (this.#wanted.get(tree) ?? 1) - 1;
        if (others > 0) this.#wanted.set(tree, others);
        else this.#wanted.delete(tree);
      },
    };
  }

  wanted(tree: string): boolean {
    return this.#wanted.has(tree);
  }

  noteReplay(experiment: number): void {
    this.#replays.set(experiment, this.replays(experiment) + 1);
  }

  /** A verdict from before the last of them does not know what is to be compared. */
  replays(experiment: number): number {
    return this.#replays.get(experiment) ?? 0;
  }

  marks(experiment: number): Marks {
    return this.#marks.get(experiment) ?? unmarked(experiment);
  }

  setMarks(marks: Marks): void {
    if (marks.emptied_at !== null || (marks.archived_at === null && marks.deleted_at === null))
      this.#marks.delete(marks.experiment_id);
    else this.#marks.set(marks.experiment_id, marks);
  }

  /** Those that were deleted, oldest first, and are not emptied. */
  deleted(): Marks[] {
    return [...this.#marks.values()]
      .filter((marks) => marks.deleted_at !== null)
      .sort((a, b) => Number(a.deleted_at) - Number(b.deleted_at));
  }
}
