/**
 * Which earlier run a run was made from, where nobody said so.
 *
 * People copy a folder, change a line and run again, and no fork tells of it. So a run's parent is the earlier one that it
 * is most alike, by content: of code the share of files that are the same, of configurations the share of settings that are.
 * Both are Jaccard's index, |A ∩ B| / |A ∪ B|. Of large folders it is estimated from the 256 smallest hashes (a bottom-k
 * sketch: Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007, section 3), which errs by 0.03 at most
 * times. Alternative refused: names and times alone, which call any two runs of a day related.
 */
import type { Share } from "../../base/clock.ts";

export interface Likened {
  readonly id: number;
  /** Runs are compared within one project alone. */
  readonly project: string;
  /** From `sketchOf`, of the first `SKETCH` hashes of the files of its code; null = it was run without code. */
  readonly code: Sketch | null;
  /** Its settings, each as `path=value`. */
  readonly settings: ReadonlySet<string>;
}

/** Hashes in ascending order, as numbers: these are compared faster than texts. */
export type Sketch = Float64Array;

export interface Guess {
  readonly parent: number;
  /** 0 to 1. */
  readonly likeness: number;
}

export const SKETCH = 256;
/** Of a hash that are compared: 48 bits, as many as a number holds. Of a million files hardly ever two share them. */
export const SKETCH_DIGITS = 12;
/** Less alike than this, a run is an idea of its own. */
export const LIKENESS_MIN = 0.5;
/** People go back to what they did lately. */
const CANDIDATES = 200;

/**
 * @param runs in ascending order of their ids
 * @param share a thousand runs take a second and more, between which others are let in
 * @returns the most alike of the earlier ones for each that has one, of equals the latest
 */
export async function guessParents(
  runs: readonly Likened[],
  share: Share,
): Promise<Map<number, Guess>> {
  const guesses = new Map<number, Guess>();
  const byProject = Map.groupBy(runs, ({ project }) => project);
  for (const own of byProject.values())
    for (const [index, run] of own.entries()) {
      let best: Guess | undefined;
      for (let at = index - 1; at >= Math.max(0, index - CANDIDATES); at--) {
        if (share.isOver) await share.othersFirst();
        const earlier = own[at] as Likened;
        const likeness = likenessOf(run, earlier, best?.likeness ?? LIKENESS_MIN);
        if (best === undefined ? likeness >= LIKENESS_MIN : likeness > best.likeness)
          best = { parent: earlier.id, likeness };
        if (likeness === 1) break;
      }
      if (best !== undefined) guesses.set(run.id, best);
    }
  return guesses;
}

/**
 * Mean of what code and settings say; of settings alone where neither has code.
 * @param floor less than this may be told as even less: code is compared, which takes longest, only until that is certain
 */
export function likenessOf(a: Likened, b: Likened, floor = 0): number {
  const settings = jaccard(a.settings, b.settings);
  if (a.code === null && b.code === null) return settings;
  if (a.code === null || b.code === null || (1 + settings) / 2 < floor) return settings / 2;
  return (sketchedJaccard(a.code, b.code, 2 * floor - settings) + settings) / 2;
}

/** @param hashes the first `SKETCH_DIGITS` of each, in ascending order, one after the other */
export function sketchOf(hashes: string): Sketch {
  const sketch = new Float64Array(hashes.length / SKETCH_DIGITS);
  for (let at = 0; at < sketch.length; at++)
    sketch[at] = Number.parseInt(hashes.slice(at * SKETCH_DIGITS, (at + 1) * SKETCH_DIGITS), 16);
  return sketch;
}

function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  if (a.size + b.size === 0) return 1;
  let both = 0;
  for (const one of a) if (b.has(one)) both += 1;
  return both / (a.size + b.size - both);
}

/** Exact where both are whole. @param floor what is less than this may be told as 0 */
function sketchedJaccard(a: Sketch, b: Sketch, floor: number): number {
  if (a === b) return 1;
  // There are no more than `SKETCH` to be looked at. One is added for what rounding takes away.
  const alonesMax = SKETCH * (1 - floor) + 1;
  let [i, j, both, union] = [0, 0, 0, 0];
  // Beyond the smallest of both together a sketch says nothing about what the other has.
  while (union < SKETCH && (i < a.length || j < b.length)) {
    const left = i < a.length ? (a[i] as number) : Number.POSITIVE_INFINITY;
    const right = j < b.length ? (b[j] as number) : Number.POSITIVE_INFINITY;
    union += 1;
    if (left === right) both += 1;
    if (left <= right) i += 1;
    if (right <= left) j += 1;
    if (union - both > alonesMax) return 0;
  }
  return union === 0 ? 1 : both / union;
}

/** A configuration's settings, each as `path=value`; what only names a run is no setting. */
export function settingsOf(config: object): Set<string> {
  const found = new Set<string>();
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== "object" || value === null) found.add(`${path}=${JSON.stringify(value)}`);
    else for (const [name, one] of Object.entries(value)) visit(one, `${path}/${name}`);
  };
  visit(withoutNames(config), "");
  return found;
}

/** A configuration without what only names a run. */
export const withoutNames = (config: object): object =>
  Object.fromEntries(Object.entries(config).filter(([name]) => !NAMES_ONLY.has(name)));

const NAMES_ONLY = new Set(["name", "description", "labels", "workspace", "project"]);
