/**
 * Who is told of what was committed. A watcher is handed nothing but "these changed": it looks when it is
 * ready to send, so a slow one skips what came in between and costs a set of numbers, never a queue.
 */
export interface Watcher {
  /** Its experiment changed; `trials` of it in particular. Must return at once. */
  changed(trials: ReadonlySet<number>): void;
}

export class Subscribers {
  readonly #experiments = new Map<number, Set<Watcher>>();
  readonly #all = new Set<(experiments: ReadonlySet<number>) => void>();
  readonly #logs = new Map<number, Set<() => void>>();

  watch(experiment: number, watcher: Watcher): () => void {
    return addUntil(this.#experiments, experiment, watcher);
  }

  /** Told of every experiment that changed. Must return at once. */
  watchAll(changed: (experiments: ReadonlySet<number>) => void): () => void {
    this.#all.add(changed);
    return () => void this.#all.delete(changed);
  }

  /** Wakes when lines of this experiment's trials were stored. */
  watchLogs(experiment: number, wake: () => void): () => void {
    return addUntil(this.#logs, experiment, wake);
  }

  committed(
    experiments: ReadonlySet<number>,
    trials: ReadonlyMap<number, ReadonlySet<number>>,
  ): void {
    for (const id of experiments)
      for (const watcher of this.#experiments.get(id) ?? [])
        watcher.changed(trials.get(id) ?? NONE);
    if (experiments.size > 0) for (const changed of this.#all) changed(experiments);
  }

  logsStored(experiments: ReadonlySet<number>): void {
    for (const id of experiments) for (const wake of this.#logs.get(id) ?? []) wake();
  }
}

const NONE: ReadonlySet<number> = new Set();

/** @returns a function that takes it out again, and its key with the last one */
export function addUntil<K, T>(map: Map<K, Set<T>>, key: K, value: T): () => void {
  const set = map.get(key) ?? new Set<T>();
  map.set(key, set.add(value));
  return () => {
    set.delete(value);
    if (set.size === 0 && map.get(key) === set) map.delete(key);
  };
}
