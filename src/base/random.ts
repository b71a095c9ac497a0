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

/** Seeds a generator from an integer seed and the parts of a key. Same input, same stream. */
export function keyed(seed: number, ...key: readonly (string | number)[]): Random {
  const text = `${seed}\u0000${key.join("\u0000")}`;
  return sfc32(hash32(text, 0x9e3779b9), hash32(text, 0x243f6a88), hash32(text, 0xb7e15162), 1);
}

function hash32(text: string, seed: number): number {
  let h = seed;
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  h ^= text.length;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function sfc32(a: number, b: number, c: number, counter: number): Random {
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 15; i++) next();
  const unit = (): number => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
  return {
    uint32: next,
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
