/**
 * Keeps those who are about to refer to a blob and the one who deletes blobs from crossing each other, within the one
 * process that writes.
 *
 * A request *holds* the names it deals with from before it looks until what it promises is written down; a deletion
 * *takes* names that nobody holds, looks once more, and deletes. Whoever wants a name that is taken waits until
 * it is given back, and then finds out that it is gone. What outlives a request, or the process, is a lease in the
 * database. Alternative refused: a lock over all blobs, behind which every upload would wait for a deletion
 * of thousands.
 */
export interface Held extends Disposable {
  /** Names that are held by it. */
  readonly names: readonly string[];
}

export class BlobGate {
  readonly #held = new Map<string, number>();
  readonly #taken = new Map<string, Promise<void>>();

  /** Waits for deletions of these that are under way. Give it back with `using`. */
  async hold(names: Iterable<string>): Promise<Held> {
    const wanted = [...new Set(names)];
    for (;;) {
      const going = new Set(wanted.flatMap((name) => this.#taken.get(name) ?? []));
      if (going.size === 0) break;
      await Promise.all(going);
    }
    for (const name of wanted) this.#held.set(name, (this.#held.get(name) ?? 0) + 1);
    let over = false;
    return {
      names: wanted,
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        for (const name of wanted) {
          const others = (this.#held.get(name) ?? 1) - 1;
          if (others === 0) this.#held.delete(name);
          else this.#held.set(name, others);
        }
      },
    };
  }

  /** For deletion: those that nobody holds or has taken. */
  take(names: Iterable<string>): Held {
    const free = [...new Set(names)].filter(
      (name) => !this.#held.has(name) && !this.#taken.has(name),
    );
    let done = (): void => undefined;
    const going = new Promise<void>((resolve) => {
      done = resolve;
    });
    for (const name of free) this.#taken.set(name, going);
    return {
      names: free,
      [Symbol.dispose]: () => {
        for (const name of free) if (this.#taken.get(name) === going) this.#taken.delete(name);
        done();
      },
    };
  }
}
