/**
 * What can be said of a column without keeping it: how many different values, and where its numbers lie. Both are
 * exact for few values and estimates of known error beyond, in memory that does not grow with the rows.
 *
 * Distinct values: their hashes up to 4,096 of them, then HyperLogLog with 2^14 registers (standard error 0.8 %).
 * Quantiles: the values up to 2,048 of them, then DDSketch (each within 1 % of the value at that rank). Samples were
 * refused: they say nothing certain about tails.
 */
const DISTINCT_EXACT_MAX = 4096;
const REGISTER_BITS = 14;
const REGISTERS = 2 ** REGISTER_BITS;

/** Two hashes of 32 bits in one pass: 50 bits of them are used. */
function hashesOf(text: string): { high: number; low: number } {
  let high = 0x9e3779b9;
  let low = 0x85ebca6b;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    high = Math.imul(high ^ code, 0x01000193);
    low = Math.imul(low ^ code, 0xcc9e2d51);
    low = (low << 13) | (low >>> 19);
  }
  return { high: finish(high ^ text.length), low: finish(low ^ high) };
}

function finish(hash: number): number {
  let x = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

export class DistinctCount {
  #exact: Set<number> | null = new Set();
  #registers: Uint8Array | null = null;

  add(text: string): void {
    const { high, low } = hashesOf(text);
    if (this.#exact === null) return this.#register(high, low);
    this.#exact.add(combined(high, low));
    if (this.#exact.size <= DISTINCT_EXACT_MAX) return;
    const known = this.#exact;
    this.#exact = null;
    this.#registers = new Uint8Array(REGISTERS);
    for (const hash of known) this.#register(Math.floor(hash / 2 ** 32), hash % 2 ** 32);
  }

  /** 18 bits of the one hash and all of the other: the first 14 choose a register, the rest are counted in. */
  #register(high: number, low: number): void {
    const upper = high % 2 ** 18;
    const registers = this.#registers as Uint8Array;
    const index = upper >>> 4;
    const rest = ((upper & 0xf) << 28) | (low >>> 4);
    const rank = Math.clz32(rest) + 1;
    if (rank > (registers[index] as number)) registers[index] = rank;
  }

  result(): { value: number; exact: boolean } {
    if (this.#exact !== null) return { value: this.#exact.size, exact: true };
    let sum = 0;
    let empty = 0;
    for (const rank of this.#registers as Uint8Array) {
      sum += 2 ** -rank;
      if (rank === 0) empty += 1;
    }
    const raw = ((0.7213 / (1 + 1.079 / REGISTERS)) * REGISTERS * REGISTERS) / sum;
    const linear = REGISTERS * Math.log(REGISTERS / empty);
    const value = empty > 0 && raw <= 2.5 * REGISTERS ? linear : raw;
    return { value: Math.round(value), exact: false };
  }
}

const combined = (high: number, low: number): number => (high % 2 ** 18) * 2 ** 32 + low;

const QUANTILES_EXACT_MAX = 2048;
const RELATIVE_ERROR = 0.01;
const LOG_GAMMA = Math.log((1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR));
/** Of one sign: 36 powers of ten, beyond which the smallest are taken together. */
const BUCKETS_MAX = 4096;

export class QuantileSketch {
  #exact: number[] | null = [];
  readonly #positive = new Buckets();
  readonly #negative = new Buckets();
  #zeros = 0;
  #count = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  /** @param value finite */
  add(value: number): void {
    this.#count += 1;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
    if (this.#exact === null) return this.#sort(value);
    this.#exact.push(value);
    if (this.#exact.length <= QUANTILES_EXACT_MAX) return;
    const known = this.#exact;
    this.#exact = null;
    for (const each of known) this.#sort(each);
  }

  #sort(value: number): void {
    if (value > 0) this.#positive.add(value);
    else if (value < 0) this.#negative.add(-value);
    else this.#zeros += 1;
  }

  /** @returns the values at these ranks from 0 to 1; none where nothing was added */
  at(ranks: readonly number[]): number[] {
    if (this.#count === 0) return [];
    const sorted = this.#exact?.toSorted((a, b) => a - b);
    return ranks.map((rank) => {
      const place = Math.floor(rank * (this.#count - 1));
      return sorted ? (sorted[place] as number) : this.#bounded(this.#estimate(place));
    });
  }

  #bounded(value: number): number {
    return Math.min(this.#max, Math.max(this.#min, value));
  }

  #estimate(place: number): number {
    let left = place - this.#negative.total;
    if (left < 0) return -this.#negative.at(this.#negative.total - 1 - place);
    left -= this.#zeros;
    return left < 0 ? 0 : this.#positive.at(left);
  }
}

class Buckets {
  readonly #counts = new Map<number, number>();
  total = 0;
  /** Whatever is smaller counts as this. */
  #lowest = Number.NEGATIVE_INFINITY;

  add(value: number): void {
    const index = Math.max(this.#lowest, Math.ceil(Math.log(value) / LOG_GAMMA));
    this.#counts.set(index, (this.#counts.get(index) ?? 0) + 1);
    this.total += 1;
    if (this.#counts.size > BUCKETS_MAX) this.#collapse();
  }

  #collapse(): void {
    const indices = [...this.#counts.keys()].sort((a, b) => a - b);
    const [first, second] = indices as [number, number];
    this.#lowest = second;
    this.#counts.set(second, (this.#counts.get(second) ?? 0) + (this.#counts.get(first) ?? 0));
    this.#counts.delete(first);
  }

  /** @param place from 0, the smallest first */
  at(place: number): number {
    let left = place;
    for (const [index, count] of [...this.#counts].sort(([a], [b]) => a - b)) {
      left -= count;
      if (left < 0) return (2 * Math.exp(index * LOG_GAMMA)) / (1 + Math.exp(LOG_GAMMA));
    }
    return 0;
  }
}
