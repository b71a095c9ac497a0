/**
 * PostgreSQL text can hold neither NUL nor half a surrogate pair. Names and messages that come from
 * programs may contain both; they are kept, with those characters replaced by U+FFFD. (Bytes that must
 * survive exactly, such as program output, are stored as bytea and never pass here.)
 */
export function storable(text: string): string {
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
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [storable(key), clean(item)]),
  );
}
