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

export function firstDifference(left: unknown, right: unknown, path = ""): Difference | undefined {
  if (left === right || Object.is(left, right)) return undefined;
  const [a, b] = [membersOf(left), membersOf(right)];
  if (a === undefined || b === undefined || Array.isArray(left) !== Array.isArray(right))
    return { path, left, right };
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const step = Array.isArray(left) ? `[${name}]` : `.${name}`;
    const found = firstDifference(own(a, name), own(b, name), path + step);
    if (found) return found;
  }
  return undefined;
}

const own = (members: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.hasOwn(members, name) ? members[name] : undefined;

const membersOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
