/**
 * A small seeded generator whose whole state is one array of four integers, so that it travels in a
 * checkpoint: sfc32 (Doty-Humphrey). Math.random can be neither seeded nor saved.
 */
export interface Generator {
  /** Uniform in [0, 1), 32 bits. */
  unit(): number;
  /** Uniform integer in [0, bound), bound <= 2^32. */
  below(bound: number): number;
  /** Four 32-bit integers; `resume` goes on exactly from here. */
  state(): number[];
}

export function seeded(seed: number): Generator {
  const generator = resume([seed | 0, Math.floor(seed / 4294967296) | 0, 0x5bd1e995, 1]);
  for (let i = 0; i < 16; i++) generator.unit();
  return generator;
}

export function resume(state: readonly number[]): Generator {
  let [a = 0, b = 0, c = 0, counter = 0] = state;
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  return {
    unit: () => next() / 4294967296,
    below: (bound) => Math.floor((next() / 4294967296) * bound),
    state: () => [a, b, c, counter],
  };
}

/** 32-bit hash of the UTF-16 code units: FNV-1a with MurmurHash3's last mix, which spreads the low bits. */
export function hashText(text: string, key: number): number {
  let h = 0x811c9dc5 ^ key;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mix(h);
}

/** MurmurHash3's finaliser: every bit of the input reaches every bit of the output. */
export function mix(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
