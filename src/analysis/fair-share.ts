/**
 * The beginning of each of several lists, so many entries in all, that no long list leaves none for a short one: four rows
 * of a GPU stay beside five hundred of packages. In the order of the lists. Pure.
 */
export function fairShare<T>(lists: readonly (readonly T[])[], max: number): T[] {
  const taken = lists.map(() => 0);
  const shortestFirst = [...lists.keys()].toSorted((a, b) => lengthOf(a) - lengthOf(b));
  let left = max;
  for (const [before, at] of shortestFirst.entries()) {
    taken[at] = Math.min(lengthOf(at), Math.ceil(left / (lists.length - before)));
    left -= taken[at];
  }
  return lists.flatMap((list, at) => list.slice(0, taken[at]));

  function lengthOf(at: number): number {
    return lists[at]?.length ?? 0;
  }
}
