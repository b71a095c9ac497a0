/**
 * The rules of ranges and choices that one field alone cannot break: order, width, powers, repetitions.
 */
import type { Json } from "../../base/json.ts";
import { FORMS, type FormName } from "./hyperparameter-fields.ts";
import { type Fault, type Path, renderPath, show } from "./issue.ts";
import { nearest } from "./nearest.ts";
import { sameJson } from "./space.ts";

interface Range {
  readonly type: string;
  readonly minval: number;
  readonly maxval: number;
}
type LogRange = Range & { readonly base: number };

/** @returns the first rule that an int or double range breaks */
export function rangeFault(range: Range, filePath: Path): Fault | undefined {
  const order = orderFault(range, filePath);
  if (order) return order;
  const width = range.maxval - range.minval;
  if (range.type === "int" ? width < 2 ** 53 : Number.isFinite(width)) return undefined;
  const path = [...filePath, "maxval"];
  return {
    code: "out_of_range",
    path,
    value: range.maxval,
    limit: "a range that can be drawn from",
    message: `${renderPath(path)} is ${show(range.maxval)} and minval ${show(range.minval)}; the range between them is too wide to draw from. Narrow it, or use type log.`,
  };
}

function orderFault(range: Range, filePath: Path): Fault | undefined {
  if (range.minval < range.maxval) return undefined;
  const path = [...filePath, "minval"];
  const equal = range.minval === range.maxval;
  const limit = `less than maxval ${show(range.maxval)}`;
  return {
    code: "out_of_range",
    path,
    value: range.minval,
    limit,
    message: `${renderPath(path)} is ${show(range.minval)}; it must be ${limit} (type ${range.type}). ${equal ? "For one value write the number alone." : "Swap the two."}`,
  };
}

/** @returns the first rule that a log range breaks; its bounds are exponents */
export function logFault(range: LogRange, filePath: Path): Fault | undefined {
  const order = orderFault(range, filePath);
  if (order) return order;
  for (const key of ["minval", "maxval"] as const) {
    const power = range.base ** range[key];
    if (Number.isFinite(power) && power > 0) continue;
    const path = [...filePath, key];
    return {
      code: "out_of_range",
      path,
      value: range[key],
      limit: "an exponent whose power is a positive finite number",
      message: `${renderPath(path)} is ${show(range[key])}; it is an exponent, and ${show(range.base)} to that power is ${show(power)}, which is no positive finite number. Give exponents: -4 with base 10 is 0.0001.`,
    };
  }
  return undefined;
}

/** 0.0001 to 0.1 is what people write who think of values; as exponents it is 1.0002 to 1.26. */
export function logWarning(range: LogRange, filePath: Path): Fault | undefined {
  if (range.minval <= 0 || range.minval >= 0.1) return undefined;
  const exponent = (value: number): string =>
    String(Number((Math.log(value) / Math.log(range.base)).toPrecision(4)));
  const brief = (value: number): string => String(Number(value.toPrecision(5)));
  const hint =
    range.base === 1
      ? ""
      : ` For values from ${show(range.minval)} to ${show(range.maxval)} write minval: ${exponent(range.minval)}, maxval: ${exponent(range.maxval)}.`;
  const path = [...filePath, "minval"];
  return {
    code: "looks_like_values",
    path,
    value: range.minval,
    ...(hint ? { suggestion: exponent(range.minval) } : {}),
    message: `${renderPath(path)} is ${show(range.minval)}; the bounds of type log are exponents, so the values run from ${brief(range.base ** range.minval)} to ${brief(range.base ** range.maxval)}.${hint}`,
  };
}

/** Comparing all pairs is quadratic, so long lists are taken on trust. */
const COMPARED_MAX = 500;

export function repeatWarning(vals: readonly Json[], filePath: Path): Fault | undefined {
  if (vals.length > COMPARED_MAX) return undefined;
  const index = vals.findIndex((value, at) =>
    vals.slice(0, at).some((before) => sameJson(before, value)),
  );
  if (index < 0) return undefined;
  const path = [...filePath, "vals", index];
  return {
    code: "repeated_choice",
    path,
    value: vals[index],
    message: `${renderPath(path)} is ${show(vals[index])} once more; a choice listed twice is drawn twice as often (a grid tries it once). Remove one if that is not meant.`,
  };
}

/** The form that a wrong word for a type probably meant. */
export function nearestForm(word: string): FormName | undefined {
  const words = Object.keys(FORMS) as FormName[];
  const guess = nearest(word, [...words, ...Object.keys(OTHER_TYPES)]);
  if (guess === undefined) return undefined;
  return Object.hasOwn(OTHER_TYPES, guess) ? OTHER_TYPES[guess] : (guess as FormName);
}

/** What other tools call the forms. */
const OTHER_TYPES: { readonly [word: string]: FormName } = {
  float: "double",
  uniform: "double",
  real: "double",
  number: "double",
  integer: "int",
  int_uniform: "int",
  loguniform: "log",
  log_uniform: "log",
  log_uniform_values: "log",
  choice: "categorical",
  choices: "categorical",
  category: "categorical",
  enum: "categorical",
  constant: "const",
  group: "nested",
  object: "nested",
};
