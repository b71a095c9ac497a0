/** The space that a hyperparameter was drawn from, in words. */
import type { Json } from "../../../src/base/json.ts";
import { measured } from "../../../src/cli/figures.ts";

type Values = Readonly<Record<string, Json | undefined>>;

/** @param space as it stands in the configuration @returns e.g. "0.01 to 0.5", "one of 16, 32", "always 7" */
export function spaceWords(space: Json | undefined): string {
  if (space === undefined) return "–";
  if (typeof space !== "object" || space === null || Array.isArray(space))
    return `always ${JSON.stringify(space)}`;
  const { type, minval, maxval, base, count, vals, val } = space as Values;
  const range = `${bound(minval)} to ${bound(maxval)}`;
  const points = typeof count === "number" ? `, ${count} on a grid` : "";
  switch (type) {
    case "int":
      return `whole, ${range}${points}`;
    case "double":
      return `${range}${points}`;
    case "log": {
      const power = typeof base === "number" ? base : 10;
      return `${power}^${bound(minval)} to ${power}^${bound(maxval)}, even in the exponent${points}`;
    }
    case "categorical":
      return Array.isArray(vals)
        ? `one of ${vals.map((one) => JSON.stringify(one)).join(", ")}`
        : "one of a list";
    case "const":
      return `always ${JSON.stringify(val ?? null)}`;
    default:
      return JSON.stringify(space);
  }
}

const bound = (value: Json | undefined): string =>
  typeof value === "number" ? measured(value, 6) : JSON.stringify(value ?? null);

const isMap = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The part of `space` at a path such as `optimizer.momentum`. */
export function spaceAt(space: Json | undefined, path: string): Json | undefined {
  let at: Json | undefined = space;
  for (const name of path.split(".")) {
    if (typeof at !== "object" || at === null || Array.isArray(at)) return undefined;
    const group: Values = at as Values;
    const names = group.type === "nested" && isMap(group.params) ? group.params : group;
    at = Object.hasOwn(names, name) ? names[name] : undefined;
  }
  return at;
}
