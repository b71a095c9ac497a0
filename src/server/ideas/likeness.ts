/**
 * Which earlier run a run was made from, where nobody said so.
 *
 * People copy a folder, change a line and run again, and no fork tells of it. So a run's parent is the earlier one that it
 * is most alike, by content: of code the share of files that are the same, of configurations the share of settings that are.
 * Both are Jaccard's index, |A ∩ B| / |A ∪ B|. Of large folders it is estimated from the 256 smallest hashes (a bottom-k
 * sketch: Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007, section 3), which errs by 0.03 at most
 * times. Alternative refused: names and times alone, which call any two runs of a day related.
 */
export interface Likened {
  readonly id: number;
  /** Runs are compared within one project alone. */
  readonly project: string;
  /** Hashes of the files of its code in ascending order, the first `SKETCH` of them; null = it was run without code. */
  readonly code: readonly string[] | null;
  /** Its settings, each as `path=value`. */
  readonly settings: ReadonlySet<string>;
}

export interface Guess {
  readonly parent: number;
  /** 0 to 1. */
  readonly likeness: number;
}

export const SKETCH = 256;
/** Less alike than this, a run is an idea of its own. */
export const LIKENESS_MIN = 0.5;
/** People go back to what they did lately. */
const CANDIDATES = 200;

/**
 * @param runs in ascending order of their ids
 * @returns the most alike of the earlier ones for each that has one, of equals the latest
 */
export function guessParents(runs: readonly Likened[]): Map<number, Guess> {
  const guesses = new Map<number, Guess>();
  const byProject = Map.groupBy(runs, ({ project }) => project);
  for (const own of byProject.values())
    for (const [index, run] of own.entries()) {
      let best: Guess | undefined;
      for (let at = index - 1; at >= Math.max(0, index - CANDIDATES); at--) {
        const earlier = own[at] as Likened;
        const likeness = likenessOf(run, earlier);
        if (likeness > (best?.likeness ?? 0)) best = { parent: earlier.id, likeness };
        if (likeness === 1) break;
      }
      if (best !== undefined && best.likeness >= LIKENESS_MIN) guesses.set(run.id, best);
    }
  return guesses;
}

/** Mean of what code and settings say; of settings alone where neither has code. */
export function likenessOf(a: Likened, b: Likened): number {
  const settings = jaccard(a.settings, b.settings);
  if (a.code === null && b.code === null) return settings;
  if (a.code === null || b.code === null) return settings / 2;
  return (sketchedJaccard(a.code, b.code) + settings) / 2;
}

function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  if (a.size + b.size === 0) return 1;
  let both = 0;
  for (const one of a) if (b.has(one)) both += 1;
  return both / (a.size + b.size - both);
}

/** Exact where both are whole. @param a ascending @param b ascending */
function sketchedJaccard(a: readonly string[], b: readonly string[]): number {
  if (a === b) return 1;
  let [i, j, both, union] = [0, 0, 0, 0];
  // Beyond the smallest of both together a sketch says nothing about what the other has.
  while (union < SKETCH && (i < a.length || j < b.length)) {
    const [left, right] = [a[i], b[j]];
    union += 1;
    if (left === right) both += 1;
    if (right === undefined || (left !== undefined && left <= right)) i += 1;
    if (left === undefined || (right !== undefined && right <= left)) j += 1;
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
