/**
 * The forms of a hyperparameter. A value that is no map is a constant; a map without `type` is a group of
 * hyperparameters; a map with `type` is one of the forms below. The bounds of `log` are exponents, as
 * users of Determined know them.
 */
import * as z from "zod";
import { keyName } from "./fields.ts";

const scalar = z.union([z.null(), z.boolean(), z.number(), z.string()]);

const when = z
  .record(keyName, z.union([scalar, z.array(z.json()).min(1)]))
  .optional()
  .describe(
    "The parameter exists only where another one has a given value, or one of a list: {optimizer: sgd}, {model.kind: [cnn, resnet]}. The path is dotted and begins at the root.",
  );
const count = z.int().min(1).optional().describe("How many points a grid takes from the range.");

export const constant = z.strictObject({
  type: z.literal("const"),
  val: z.json().describe("The value. A value that is no map may be written without type and val."),
  when,
});

export const int = z.strictObject({
  type: z.literal("int"),
  minval: z.int().describe("Smallest value."),
  maxval: z
    .int()
    .describe(
      "Upper bound: int includes it; double stays below it, except that a grid includes it.",
    ),
  count,
  when,
});

export const double = z.strictObject({
  type: z.literal("double"),
  minval: z.number().describe("Smallest value."),
  maxval: z
    .number()
    .describe(
      "Upper bound: int includes it; double stays below it, except that a grid includes it.",
    ),
  count,
  when,
});

export const log = z.strictObject({
  type: z.literal("log"),
  base: z.number().positive().describe("Base of the logarithm, usually 10 or 2."),
  minval: z.number().describe("Smallest exponent: -4 with base 10 is 0.0001."),
  maxval: z.number().describe("Largest exponent: -1 with base 10 is 0.1."),
  count,
  when,
});

export const categorical = z.strictObject({
  type: z.literal("categorical"),
  vals: z.array(z.json()).min(1).describe("The choices, all equally likely."),
  when,
});

/** The children are read one by one, so that each gets its own message. */
export const nested = z.strictObject({
  type: z.literal("nested"),
  params: z.record(z.string(), z.unknown()).describe("The parameters of the group, by name."),
  when,
});

/** In the order of the documents. */
export const FORMS = { const: constant, int, double, log, categorical, nested } as const;
export type FormName = keyof typeof FORMS;

/** One sentence on each, for the documents. */
export const FORM_TEXT: { readonly [K in FormName]: string } = {
  const: "One value.",
  int: "A whole number, both ends included.",
  double: "A number, uniform.",
  log: "base to the power of a uniform number: the bounds are exponents.",
  categorical: "One of a list.",
  nested: "A group. Without a condition, and without a member called type, the map alone does.",
};

/** For the JSON Schema: any form, a group without type, or a constant. */
export const hyperparameter: z.ZodType = z.lazy(() =>
  z.union([
    scalar,
    z.array(z.json()),
    constant,
    int,
    double,
    log,
    categorical,
    nested.extend({ params: hyperparameters }),
    group,
  ]),
);
const group = z
  .record(z.string().regex(/^(?!type$)/, "a name other than type"), hyperparameter)
  .meta({ id: "group" });
export const hyperparameters: z.ZodType = z
  .record(keyName, hyperparameter)
  .meta({ id: "hyperparameters" });
