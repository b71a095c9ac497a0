/**
 * Strings as the network sees them: the hashed character n-grams of each, one flat array for all.
 *
 * A name is read as code points between two word marks ("_perú_"), so that a bigram can say "ends in
 * u with an accent". Every n-gram of 1 to `ngramMax` code points falls into one of `buckets` rows by
 * hash; two that meet in one row share it. A dictionary of n-grams would avoid that, at the cost of a
 * file that has to travel with every checkpoint.
 */
import { mix } from "./random.ts";

/** Example i has the rows `rows[starts[i]] … rows[starts[i + 1] - 1]`; `starts` is one longer. */
export interface Features {
  readonly rows: Uint32Array;
  readonly starts: Uint32Array;
}

export interface FeatureOptions {
  /** Longest n-gram, in code points. >= 1 */
  readonly ngramMax: number;
  /** Rows to hash into; a power of two. */
  readonly buckets: number;
}

export function hashNames(names: readonly string[], options: FeatureOptions): Features {
  const { ngramMax, buckets } = options;
  const mask = buckets - 1;
  const starts = new Uint32Array(names.length + 1);
  const rows: number[] = [];
  names.forEach((name, i) => {
    const points = codePoints(name);
    for (let from = 0; from < points.length; from++) {
      let hash = 0x811c9dc5;
      for (let n = 1; n <= ngramMax && from + n <= points.length; n++) {
        hash = Math.imul(hash ^ points[from + n - 1]!, 0x01000193);
        // A lone word mark is in every name and tells nothing.
        if (n === 1 && points[from] === WORD_MARK) continue;
        rows.push(mix(hash ^ Math.imul(n, 0x9e3779b9)) & mask);
      }
    }
    starts[i + 1] = rows.length;
  });
  return { rows: Uint32Array.from(rows), starts };
}

const WORD_MARK = 0x5f;

/** Code points between word marks; spaces inside are word marks as well. */
function codePoints(name: string): number[] {
  const points = [WORD_MARK];
  for (const character of name) {
    const point = character.codePointAt(0)!;
    points.push(point === 0x20 ? WORD_MARK : point);
  }
  points.push(WORD_MARK);
  return points;
}
