/**
 * What people look at again and again, as it was between two turns. On a disk that takes seconds to say that something
 * is written nearly all time is within a commit, and whoever looks would wait for its end each time; what was
 * durable before it is as true as what a database would show. Where turns are quick nothing is made in advance.
 */

/** A turn that is shorter is waited for. */
const SLOW_MS = 250;

export class DurableViews {
  /** Asked for since turns have become slow. */
  readonly #looks = new Map<string, () => unknown>();
  #seen = new Map<string, unknown>();

  /** @returns what was to be seen before the turn under way; undefined where nobody had asked for it by then */
  before<T>(name: string, look: () => T): { readonly value: T } | undefined {
    this.#looks.set(name, look);
    return this.#seen.has(name) ? { value: this.#seen.get(name) as T } : undefined;
  }

  /** Nothing that was seen holds any more. */
  forget(): void {
    this.#seen = new Map();
  }

  /** Between two turns, when everything is durable. @param tookMs the one that has ended */
  renew(tookMs: number): void {
    this.forget();
    if (tookMs < SLOW_MS) this.#looks.clear();
    for (const [name, look] of this.#looks) this.#seen.set(name, look());
  }
}
