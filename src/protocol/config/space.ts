/**
 * The space of choices that `hyperparameters` describes, in the form in which the search takes it: bounds by
 * name, groups as lists in byte order of their names. The search has the same shape on its side of
 * the wall; neither imports the other, and the types fit by structure.
 */
import type { Json, JsonObject } from "../../base/json.ts";

export type SpaceParameter = (
  | { readonly type: "const"; readonly value: Json }
  /** Both ends included. */
  | { readonly type: "int"; readonly min: number; readonly max: number; readonly count?: number }
  /** [min, max). */
  | { readonly type: "double"; readonly min: number; readonly max: number; readonly count?: number }
  /** base ^ uniform[minExponent, maxExponent). */
  | {
      readonly type: "log";
      readonly base: number;
      readonly minExponent: number;
      readonly maxExponent: number;
      readonly count?: number;
    }
  | { readonly type: "categorical"; readonly values: readonly Json[] }
  | { readonly type: "nested"; readonly children: readonly NamedSpaceParameter[] }
) & { readonly when?: SpaceCondition };

export interface NamedSpaceParameter {
  readonly name: string;
  readonly parameter: SpaceParameter;
}

/** Holds where the parameter at `path` (from the root) is active and has one of `values`. */
export interface SpaceCondition {
  readonly path: readonly string[];
  readonly values: readonly Json[];
}

export type ParameterSpace = Extract<SpaceParameter, { type: "nested" }>;

/** Order of UTF-8 bytes, which is the order of code points and not that of UTF-16. */
export function inByteOrder(a: string, b: string): number {
  const left = Array.from(a);
  const right = Array.from(b);
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Equal as JSON: order of keys does not count. */
export function sameJson(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => sameJson(item, b[index]));
  }
  const left = a as JsonObject;
  const right = b as JsonObject;
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => Object.hasOwn(right, key) && sameJson(left[key]!, right[key]!));
}

/** The same text for what is equal as JSON, so that many values can be looked up in a set. */
export function canonical(value: Json): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const map = value as JsonObject;
  const pairs = Object.keys(map).sort();
  return `{${pairs.map((key) => `${JSON.stringify(key)}:${canonical(map[key]!)}`).join(",")}}`;
}

/** Whether there is anything to choose. */
export function varies(parameter: SpaceParameter): boolean {
  if (parameter.type === "nested")
    return parameter.children.some((child) => varies(child.parameter));
  if (parameter.type === "categorical") return parameter.values.length > 1;
  return parameter.type !== "const";
}
