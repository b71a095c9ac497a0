/**
 * Random numbers by key rather than by turn: a draw is a function of (seed, key), so trial 17's
 * learning rate is the same whichever worker asks first and whatever else the space contains.
 * A generator that is advanced in place would tie every sample to the order of all earlier ones
 * (two neighbours lose reproducibility that way).
 *
 * Hash: two rounds of MurmurHash3's 32-bit mixing over the key (Appleby, public domain design) feed
 * sfc32 (Doty-Humphrey, PractRand), which passes PractRand far beyond what a search can draw.
 */
export interface Random {
  /** Uniform in [0, 1), 53 bits. */
  unit(): number;
  /** Uniform integer in [0, 2^32). */
  uint32(): number;
  /** Uniform integer in [0, bound), without modulo bias. @param bound 1 … 2^53 */
  below(bound: number): number;
}

/** One whose whole state is four 32-bit integers, from which `resumed` goes on exactly. */
export interface SavedRandom extends Random {
  state(): number[];
}

/** Seeds a generator from an integer seed and the parts of a key. Same input, same stream. */
export function keyed(seed: number, ...key: readonly (string | number)[]): SavedRandom {
  const text = `${seed}\u0000${key.join("\u0000")}`;
  // Three hashes that differ in nothing but their beginning, so the key is read once for all of them.
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = 0xb7e15162;
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    a = mixed(a, k);
    b = mixed(b, k);
    c = mixed(c, k);
  }
  const { length } = text;
  const random = sfc32(finished(a, length), finished(b, length), finished(c, length), 1);
  for (let i = 0; i < 15; i++) random.uint32();
  return random;
}

/** Goes on where the generator that gave this state stood. */
export const resumed = ([a = 0, b = 0, c = 0, counter = 0]: readonly number[]): SavedRandom =>
  sfc32(a, b, c, counter);

function mixed(hash: number, k: number): number {
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function finished(hash: number, length: number): number {
  let h = hash ^ length;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function sfc32(a: number, b: number, c: number, counter: number): SavedRandom {
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  const unit = (): number => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
  return {
    uint32: next,
    state: () => [a, b, c, counter],
    unit,
    below(bound: number): number {
      if (bound <= 1) return 0;
      if (bound > 4294967296) return Math.floor(unit() * bound);
      const limit = 4294967296 - (4294967296 % bound);
      for (;;) {
        const value = next();
        if (value < limit) return value % bound;
      }
    },
  };
}
