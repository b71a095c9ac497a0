/** A map within a bound: what was not wanted for longest is forgotten first. */
export class RecentMap<K, V> {
  readonly #max: number;
  readonly #weigh: (key: K, value: V) => number;
  /** In the order in which they were wanted last. */
  readonly #entries = new Map<K, V>();
  #weight = 0;

  /** @param max of all entries together @param weigh what one counts; absent = 1 */
  constructor(max: number, weigh: (key: K, value: V) => number = () => 1) {
    this.#max = max;
    this.#weigh = weigh;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** One that alone is over the bound is not kept: for it the others need not go. */
  set(key: K, value: V): void {
    this.delete(key);
    const weight = this.#weigh(key, value);
    if (weight > this.#max) return;
    this.#entries.set(key, value);
    this.#weight += weight;
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#max) return;
      this.delete(oldest);
    }
  }

  delete(key: K): void {
    const value = this.#entries.get(key);
    if (value === undefined) return;
    this.#entries.delete(key);
    this.#weight -= this.#weigh(key, value);
  }
}
