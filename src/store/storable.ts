/**
 * PostgreSQL text can hold neither NUL nor half a surrogate pair. Names and messages that come from
 * programs may contain both; they are kept, with those characters replaced by U+FFFD. (Bytes that must
 * survive exactly, such as program output, are stored as bytea and never pass here.)
 */
export function storable(text: string): string {
  // Almost all text is storable as it is, and looking is cheaper than making it anew.
  if (text.isWellFormed() && !text.includes("\u0000")) return text;
  return text.toWellFormed().replaceAll("\u0000", "\ufffd");
}

/** The same for every string in a JSON value, keys included. */
export function storableJson<T>(value: T): T {
  return clean(value) as T;
}

function clean(value: unknown): unknown {
  if (typeof value === "string") return storable(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(clean);
  // Copied whole and then mended, because hardly anything has to be. A member `__proto__` is one like any other in the copy.
  const copy: Record<string, unknown> = { ...value };
  for (const key of Object.keys(copy)) {
    const member = copy[key];
    const cleaned = clean(member);
    if (cleaned !== member) copy[key] = cleaned;
    if (storable(key) !== key) return renamed(copy);
  }
  return copy;
}

/** @param members of which a name is not storable */
function renamed(members: Readonly<Record<string, unknown>>): unknown {
  return Object.fromEntries(
    Object.entries(members).map(([key, member]) => [storable(key), clean(member)]),
  );
}
