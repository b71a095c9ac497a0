import type { Json } from "../../base/json.ts";

/**
 * The space of choices, after the configuration has been read and checked: core never sees YAML.
 * Children are kept in byte order of their names, so that a walk over the space is the same walk
 * everywhere (behaviour of nested sampling is a function of the seed alone).
 */
export type Parameter = (
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
  | { readonly type: "nested"; readonly children: readonly NamedParameter[] }
) & {
  /** The parameter exists only where this holds; where it does not, its name is absent. */
  readonly when?: Condition;
};

export interface NamedParameter {
  readonly name: string;
  readonly parameter: Parameter;
}

/** Holds where the parameter at `path` (from the root) is active and has one of `values`. */
export interface Condition {
  readonly path: readonly string[];
  readonly values: readonly Json[];
}

/** The root of a space is a nested parameter without a condition. */
export type Space = Extract<Parameter, { type: "nested" }>;

/** One choice: a plain tree with the inactive parameters left out. */
export type Hyperparameters = { readonly [name: string]: Json };
