/** Waits for something to hold that is looked at whenever anything has happened. */
export class Waiting {
  readonly #watchers = new Set<() => void>();

  /** Something has happened. */
  look(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** @returns false when the time was over first */
  until(holds: () => boolean, limitMs: number): Promise<boolean> {
    if (holds()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (held: boolean) => {
        clearTimeout(timer);
        this.#watchers.delete(watcher);
        resolve(held);
      };
      const watcher = () => {
        if (holds()) finish(true);
      };
      const timer = setTimeout(() => finish(false), limitMs);
      this.#watchers.add(watcher);
    });
  }
}
