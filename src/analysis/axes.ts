/**
 * A search space as axes: what varies, between which ends, on which scale, and where a trial lies on it. The axes come
 * from the configuration and not from the trials, so that a chart says how much of the space was tried, and a
 * live one does not jump. Constants are no axes. A parameter that exists only for some trials is one, and a
 * trial without it has no place there.
 */
import type { Json, JsonObject } from "../base/json.ts";

export type Axis = {
  /** Nested names joined with dots: as people write it. */
  readonly name: string;
  readonly path: readonly string[];
  /** Exists only where another parameter has certain values. */
  readonly isConditional: boolean;
} & (
  | {
      readonly kind: "linear" | "log";
      readonly low: number;
      readonly high: number;
      /** Integers: both ends are values. */
      readonly isWhole: boolean;
    }
  | { readonly kind: "category"; readonly choices: readonly string[] }
);

/** @param space `hyperparameters` of a resolved configuration */
export function axesOf(space: Json | undefined): Axis[] {
  const axes: Axis[] = [];
  const walk = (value: Json | undefined, path: readonly string[], inherited: boolean): void => {
    if (!isMap(value)) return;
    // Without a type it is a group, and whatever stands in it is a parameter, even one called "when".
    const isTyped = typeof value.type === "string";
    const isConditional = inherited || (isTyped && isMap(value.when));
    if (isTyped && value.type !== "nested") {
      const axis = axisOf(value, { name: path.join("."), path, isConditional });
      if (axis) axes.push(axis);
      return;
    }
    const children = isTyped ? (value.params ?? {}) : value;
    for (const [name, child] of Object.entries(children as JsonObject))
      walk(child, [...path, name], isConditional);
  };
  walk(space, [], false);
  return axes.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

type Named = Pick<Axis, "name" | "path" | "isConditional">;

function axisOf(parameter: JsonObject, named: Named): Axis | undefined {
  const { type, minval, maxval, base, vals } = parameter;
  if (type === "categorical") {
    const choices = Array.isArray(vals) ? [...new Set((vals as Json[]).map(wordOf))] : [];
    return choices.length > 1 ? { ...named, kind: "category", choices } : undefined;
  }
  if (typeof minval !== "number" || typeof maxval !== "number" || minval >= maxval)
    return undefined;
  const isWhole = type === "int";
  if (type !== "log") return { ...named, kind: "linear", low: minval, high: maxval, isWhole };
  const ends = [Number(base) ** minval, Number(base) ** maxval].toSorted((a, b) => a - b);
  return { ...named, kind: "log", low: ends[0] as number, high: ends[1] as number, isWhole };
}

/** A choice as a word: strings as they are, the rest as JSON. */
export const wordOf = (value: Json): string =>
  typeof value === "string" ? value : JSON.stringify(value);

/** What a trial has there; undefined where the parameter does not exist for it. */
export function rawOf(axis: Axis, hyperparameters: JsonObject): Json | undefined {
  let value: Json | undefined = hyperparameters;
  for (const name of axis.path) {
    if (!isMap(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

/** From 0 at the low end to 1 at the high one, on the scale of the space; choices in the middle of equal shares. */
export function placeOf(axis: Axis, hyperparameters: JsonObject): number | undefined {
  const raw = rawOf(axis, hyperparameters);
  if (raw === undefined) return undefined;
  if (axis.kind === "category") {
    const index = axis.choices.indexOf(wordOf(raw));
    return index < 0 ? undefined : (index + 0.5) / axis.choices.length;
  }
  if (typeof raw !== "number") return undefined;
  const { low, high } = axis;
  const place =
    axis.kind === "log"
      ? Math.log(raw / low) / Math.log(high / low)
      : // Ends far apart would overflow when subtracted.
        (raw / 2 - low / 2) / (high / 2 - low / 2);
  return Number.isFinite(place) ? Math.min(1, Math.max(0, place)) : undefined;
}

/** The value at a place: the other way round. Of a category the choice whose share it is. */
export function valueAt(axis: Axis, place: number): number | string {
  if (axis.kind === "category") {
    const index = Math.min(axis.choices.length - 1, Math.floor(place * axis.choices.length));
    return axis.choices[Math.max(0, index)] ?? "";
  }
  const { low, high } = axis;
  if (axis.kind === "log") return low * (high / low) ** place;
  return low * (1 - place) + high * place;
}

const isMap = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
