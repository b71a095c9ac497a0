/**
 * The nearest valid word: optimal string alignment distance (insert, delete, replace, swap two
 * neighbours), ignoring case and the difference between `-`, `_` and space. Typos are one or two such
 * steps; a longer distance in a short word is a different word, and a wrong guess is worse than none.
 */

/** @returns the number of steps from `a` to `b`, or `max + 1` as soon as it is certain to be more */
export function editDistance(a: string, b: string, max = 64): number {
  if (Math.abs(a.length - b.length) > max) return max + 1;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
    }
    if (Math.min(...row) > max) return max + 1;
    before = previous;
    previous = row;
  }
  return previous[b.length]!;
}

const folded = (word: string): string => word.toLowerCase().replace(/[-\s]/g, "_");

/** @returns the word of `words` that was probably meant by `given`; the earlier one of equals */
export function nearest(given: string, words: Iterable<string>): string | undefined {
  if (given.length === 0 || given.length > 100) return undefined;
  const target = folded(given);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const word of words) {
    const allowed = Math.max(1, Math.min(4, Math.floor(Math.max(word.length, given.length) / 3)));
    const distance = editDistance(target, folded(word), allowed);
    if (distance <= allowed && distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  return best;
}
