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
  const copy: Record<string, unknown> = {};
  // Not by assignment: a key can be `__proto__`.
  for (const [key, item] of Object.entries(value))
    if (key === "__proto__")
      Object.defineProperty(copy, key, { value: clean(item), enumerable: true, writable: true });
    else copy[storable(key)] = clean(item);
  return copy;
}
