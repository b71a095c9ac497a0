/** JSON as paths and values, so that two of them can be laid side by side. */
import type { Json } from "../../src/base/json.ts";

/** `a.b[0].c` → its value; empty objects and lists are values of their own. By path. */
export function flatten(value: Json): Map<string, Json> {
  const flat = new Map<string, Json>();
  const walk = (one: Json, path: string): void => {
    if (Array.isArray(one) && one.length > 0)
      for (const [i, item] of one.entries()) walk(item, `${path}[${i}]`);
    else if (typeof one === "object" && one !== null && Object.keys(one).length > 0)
      for (const [name, child] of Object.entries(one))
        walk(child as Json, path === "" ? name : `${path}.${name}`);
    else flat.set(path, one);
  };
  walk(value, "");
  return new Map([...flat].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** A value in one line, as it stands in a configuration. */
export const word = (value: Json | undefined): string =>
  value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
