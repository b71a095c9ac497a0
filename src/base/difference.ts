/**
 * Where two documents first differ. As JSON sees them: the order of names says nothing, a name that is
 * undefined is not there, -0 is 0; but NaN and the infinities are what they are.
 */
export interface Difference {
  /** Such as `.trials[3].phase`; empty = the whole. */
  readonly path: string;
  /** undefined = it is not there. */
  readonly left: unknown;
  readonly right: unknown;
}

export function firstDifference(left: unknown, right: unknown): Difference | undefined {
  if (left === right || Object.is(left, right)) return undefined;
  const a = membersOf(left);
  const b = membersOf(right);
  if (a === undefined || b === undefined || Array.isArray(left) !== Array.isArray(right))
    return { path: "", left, right };
  if (Array.isArray(left)) return firstOfLists(left, right as readonly unknown[]);
  // Most documents are equal: paths are put together on the way back alone.
  const names = Object.keys(a);
  let shared = 0;
  for (const name of names) {
    const isShared = Object.hasOwn(b, name);
    if (isShared) shared += 1;
    const found = firstDifference(a[name], isShared ? b[name] : undefined);
    if (found) return below(left, name, found);
  }
  const others = Object.keys(b);
  if (others.length === shared) return undefined;
  for (const name of others) {
    if (Object.hasOwn(a, name) || b[name] === undefined) continue;
    return below(left, name, { path: "", left: undefined, right: b[name] });
  }
  return undefined;
}

/** By their places, of which the names would have to be made first. */
function firstOfLists(left: readonly unknown[], right: readonly unknown[]): Difference | undefined {
  for (let at = 0; at < left.length || at < right.length; at++) {
    const found = firstDifference(left[at], right[at]);
    if (found) return below(left, String(at), found);
  }
  return undefined;
}

/** One of several; `parts` are the names and indices on the way to it. */
export interface PlacedDifference {
  readonly parts: readonly (string | number)[];
  readonly left: unknown;
  readonly right: unknown;
}

/** Every place where two documents differ, in the order of the left one's names; what only one of them has is told whole. */
export function allDifferences(left: unknown, right: unknown): PlacedDifference[] {
  const found: PlacedDifference[] = [];
  const walk = (l: unknown, r: unknown, parts: readonly (string | number)[]): void => {
    if (l === r || Object.is(l, r)) return;
    const [a, b] = [membersOf(l), membersOf(r)];
    if (a === undefined || b === undefined || Array.isArray(l) !== Array.isArray(r)) {
      found.push({ parts, left: l, right: r });
      return;
    }
    for (const name of new Set([...Object.keys(a), ...Object.keys(b)]))
      walk(own(a, name), own(b, name), [...parts, Array.isArray(l) ? Number(name) : name]);
  };
  walk(left, right, []);
  return found;
}

const below = (whole: unknown, name: string, found: Difference): Difference => ({
  ...found,
  path: (Array.isArray(whole) ? `[${name}]` : `.${name}`) + found.path,
});

const own = (members: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.hasOwn(members, name) ? members[name] : undefined;

const membersOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
