/** Anything that JSON can carry. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/**
 * JSON has no NaN and no infinities, so on every wire and in every log they travel as these words.
 * Only fields that are declared as measured numbers are read this way; strings elsewhere stay strings.
 */
export type WireNumber = number | "NaN" | "Infinity" | "-Infinity";

export const toWire = (value: number): WireNumber =>
  Number.isFinite(value) ? value : (String(value) as WireNumber);

/** Of what may not have been measured. */
export const wireOrNull = (value: number | null): WireNumber | null =>
  value === null ? null : toWire(value);

export const fromWire = (value: WireNumber): number =>
  typeof value === "number" ? value : Number(value);

/**
 * JSON text that keeps NaN and the infinities wherever they stand, as `{"$number":"NaN"}`. For documents
 * of our own at rest (saved searches, decisions); wires say field by field what may be such a number.
 */
export function stringifyExact(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "number" && !Number.isFinite(item) ? { $number: String(item) } : item,
  );
}

/** The same text for the same value: as above, with names in order. For hashes. */
export const canonicalExact = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === "number" && !Number.isFinite(item)) return { $number: String(item) };
    if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
    const members = item as Record<string, unknown>;
    return Object.fromEntries(
      Object.keys(members)
        .toSorted()
        .map((name) => [name, members[name]]),
    );
  });

/** Gives back what `stringifyExact` wrote, from parsed JSON. Works in place on fresh values. */
export function reviveExact<T>(value: T): T {
  return revive(value) as T;
}

/** Writes only what is another one: almost nothing is, and looking is cheaper. */
function revive(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      const revived = revive(item);
      if (revived !== item) value[i] = revived;
    }
    return value;
  }
  const record = value as Record<string, unknown>;
  const keys = Object.keys(record);
  if (keys.length === 1 && keys[0] === "$number") {
    const word = record.$number;
    if (word === "NaN" || word === "Infinity" || word === "-Infinity") return Number(word);
  }
  for (const key of keys) {
    const member = record[key];
    if (typeof member !== "object") continue;
    const revived = revive(member);
    if (revived !== member) record[key] = revived;
  }
  return record;
}
