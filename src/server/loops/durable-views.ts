/**
 * What people look at again and again, as it was between two turns. On a disk that takes seconds to say that something
 * is written nearly all time is within a commit, and whoever looks would wait for its end each time; what was
 * durable before it is as true as what a database would show. Where commits are quick nothing is made in advance.
 */

/** A commit that is shorter is waited for. */
const SLOW_MS = 250;
/** What nobody has looked at for so long is not made any more. */
const WANTED_MS = 30_000;

interface Look {
  readonly see: () => unknown;
  readonly askedAtMs: number;
}

export class DurableViews {
  readonly #looks = new Map<string, Look>();
  #seen = new Map<string, unknown>();

  /** Somebody looks. */
  note(name: string, see: () => unknown, nowMs: number): void {
    this.#looks.set(name, { see, askedAtMs: nowMs });
  }

  /** @returns what was to be seen before the turn under way; undefined where nobody had looked at it for a while by then */
  before<T>(name: string): { readonly value: T } | undefined {
    return this.#seen.has(name) ? { value: this.#seen.get(name) as T } : undefined;
  }

  /** Nothing that was seen holds any more. */
  forget(): void {
    this.#seen = new Map();
  }

  /**
   * Between two turns, when everything is durable.
   * @param commitMs how long the last commit took, which need not be of the turn that has ended: one with nothing to write is
   * quick on the slowest disk
   */
  renew(commitMs: number, nowMs: number): void {
    this.forget();
    for (const [name, { see, askedAtMs }] of this.#looks)
      if (nowMs - askedAtMs > WANTED_MS) this.#looks.delete(name);
      else if (commitMs >= SLOW_MS) this.#seen.set(name, see());
  }
}
