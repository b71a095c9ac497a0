/**
 * zod's findings in our words: every finding of a schema becomes a fault that shows the value, states
 * the limit and says what to do. zod's own messages name types where users need values, and for a
 * union they list what every member would have liked.
 */
import type * as z from "zod";
import { type Fault, GUESSES_MAX, type IssueCode, type Path, renderPath, show } from "./issue.ts";
import { nearest } from "./nearest.ts";
import { defaultOf, keysOf, schemaAt, unwrapped, valueAt } from "./schema-walk.ts";
import { unknownKey } from "./unknown-key.ts";

type Finding = z.core.$ZodIssue;

export interface ShapeContext {
  /** Where the value stands in the file. */
  readonly path: Path;
  /** The dotted path of its block without list positions, for words and fields known elsewhere. */
  readonly block: string;
  /** Added to what a value must be, such as `(searcher "asha")`. */
  readonly note?: string;
  /** Fields of this block that other schemas describe, so that their typos are understood. */
  readonly alsoKnown?: readonly string[];
  /** Keys that another check explains. */
  readonly explainedElsewhere?: (key: string) => boolean;
}

export interface Shaped<T> {
  /** Present when there is no fault. */
  readonly value?: T;
  readonly faults: readonly Fault[];
}

/** Checks a plain value against a schema. */
export function shape<S extends z.ZodType>(
  schema: S,
  value: unknown,
  context: ShapeContext,
): Shaped<z.output<S>> {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data, faults: [] };
  return {
    faults: tightest(result.error.issues).flatMap((finding) =>
      explain(finding, schema, value, context),
    ),
  };
}

/** Of several bounds that one value breaks on one side the last: zod asks a whole number's own bound first. */
function tightest(findings: readonly Finding[]): Finding[] {
  const isRange = ({ code }: Finding): boolean => code === "too_small" || code === "too_big";
  const place = ({ code, path }: Finding): string => JSON.stringify([code, path]);
  const last = new Map(findings.map((finding) => [place(finding), finding]));
  return findings.filter((finding) => !isRange(finding) || last.get(place(finding)) === finding);
}

function explain(
  finding: Finding,
  schema: z.ZodType | undefined,
  root: unknown,
  context: ShapeContext,
): Fault[] {
  const inner = finding.path as (string | number)[];
  const path = [...context.path, ...inner];
  const value = valueAt(root, inner);
  const field = schemaAt(schema, inner);
  switch (finding.code) {
    case "unrecognized_keys":
      return unknownKeys(finding.keys, inner, field, root, context);
    case "invalid_union":
      return explainUnion(finding, schema, root, context);
    case "invalid_key":
      return [
        wrong({
          code: "bad_format",
          path,
          at: "key",
          value: inner.at(-1),
          must: finding.issues[0]?.message ?? "another name",
          note: context.note,
        }),
      ];
    case "invalid_type":
      if (value === undefined) return [missing(path, field, context)];
      return [
        wrong({
          code: "wrong_type",
          path,
          value,
          must: typeWord(finding.expected, field),
          note: context.note,
          attempt: asType(value, finding.expected),
        }),
      ];
    case "invalid_value": {
      if (value === undefined) return [missing(path, field, context)];
      const words = finding.values
        .filter((word) => word !== "")
        .map((word) => (typeof word === "string" ? word : String(word)));
      const guess = typeof value === "string" ? nearest(value, words) : undefined;
      const must = words.length === 1 ? words[0]! : `one of ${words.join(", ")}`;
      return [
        wrong({
          code: "not_a_choice",
          path,
          value,
          must,
          note: context.note,
          attempt: guess ?? asBoolean(value, finding.values),
        }),
      ];
    }
    case "too_small":
    case "too_big":
      return [outOfRange(finding, path, value, field, context.note)];
    default:
      return [
        wrong({ code: "bad_format", path, value, must: finding.message, note: context.note }),
      ];
  }
}

function unknownKeys(
  keys: readonly string[],
  inner: Path,
  field: z.ZodType | undefined,
  root: unknown,
  context: ShapeContext,
): Fault[] {
  const known = [...keysOf(field), ...(inner.length === 0 ? (context.alsoKnown ?? []) : [])];
  const block = blockOf(context.block, inner);
  return keys
    .filter((key) => !context.explainedElsewhere?.(key))
    .map((key, index) => {
      const words = index < GUESSES_MAX ? known : [];
      const value = valueAt(root, [...inner, key]);
      return unknownKey(key, value, [...context.path, ...inner], words, block);
    });
}

/** The one member that took the value's outer form speaks; otherwise the union names what it takes. */
function explainUnion(
  finding: Finding & { code: "invalid_union" },
  schema: z.ZodType | undefined,
  root: unknown,
  context: ShapeContext,
): Fault[] {
  const inner = finding.path as (string | number)[];
  const value = valueAt(root, inner);
  const member = (findings: Finding[]): boolean =>
    findings.every((each) => each.path.length > 0 || each.code !== "invalid_type") &&
    !findings.some((each) => each.code === "unrecognized_keys" && each.path.length === 0);
  const close = finding.errors.filter(member);
  if (close.length === 1) {
    const deeper = {
      ...context,
      path: [...context.path, ...inner],
      block: blockOf(context.block, inner),
    };
    const union = schemaAt(schema, inner);
    return close[0]!.flatMap((each) => explain(each, union, value, deeper));
  }
  return [
    wrong({
      code: "wrong_type",
      path: [...context.path, ...inner],
      value,
      must: finding.message,
      note: context.note,
    }),
  ];
}

const blockOf = (block: string, inner: readonly (string | number)[]): string =>
  [block, ...inner.filter((part) => typeof part === "string")]
    .filter((part) => part !== "")
    .join(".");

interface Wrong {
  readonly code: IssueCode;
  readonly path: Path;
  readonly at?: "key" | "value";
  readonly value: unknown;
  /** Completes "it must be …". */
  readonly must: string;
  readonly note?: string;
  /** A value that would do, as it is written in the file. */
  readonly attempt?: string;
}

/** `.a.b is 1; it must be greater than 1 (searcher "asha"). Try 3.` */
export function wrong(fault: Wrong): Fault {
  const note = fault.note ? ` ${fault.note}` : "";
  const attempt = fault.attempt === undefined ? "" : ` Try ${fault.attempt}.`;
  const subject =
    fault.at === "key"
      ? `${renderPath(fault.path)} is named ${show(fault.value)}`
      : `${renderPath(fault.path) || "The configuration"} is ${show(fault.value)}`;
  return {
    code: fault.code,
    path: fault.path,
    ...(fault.at ? { at: fault.at } : {}),
    message: `${subject}; it must be ${fault.must}${note}.${attempt}`,
    value: fault.value,
    limit: fault.must,
    ...(fault.attempt === undefined ? {} : { suggestion: fault.attempt }),
  };
}

function missing(path: Path, field: z.ZodType | undefined, context: ShapeContext): Fault {
  const text = field?.description;
  const note = context.note ? ` ${context.note}` : "";
  return {
    code: "missing",
    path,
    message: `${renderPath(path)} is missing; it is required${note}.${text ? ` ${text}` : ""}`,
    limit: "required",
    suggestion: String(path.at(-1)),
  };
}

function outOfRange(
  finding: Finding & { code: "too_small" | "too_big" },
  path: Path,
  value: unknown,
  field: z.ZodType | undefined,
  note: string | undefined,
): Fault {
  const small = finding.code === "too_small";
  const bound = Number(small ? finding.minimum : finding.maximum);
  const side = small
    ? finding.inclusive
      ? "at least"
      : "greater than"
    : finding.inclusive
      ? "at most"
      : "less than";
  // A schema may word its own bound; zod's wording begins with "Too".
  const amount = finding.message.startsWith("Too ") ? `${side} ${bound}` : finding.message;
  const fallback = defaultOf(field);
  const attempt = typeof fallback === "number" ? fallback : finding.inclusive ? bound : undefined;
  if (finding.origin === "array") {
    const items = `a list of ${amount} item${bound === 1 ? "" : "s"}`;
    return wrong({ code: "out_of_range", path, value, must: items, note });
  }
  if (finding.origin === "string")
    return wrong({
      code: "out_of_range",
      path,
      value,
      must: `text of ${amount} character${bound === 1 ? "" : "s"}`,
      note,
    });
  return wrong({
    code: "out_of_range",
    path,
    value,
    must: amount,
    note,
    attempt: attempt === undefined ? undefined : String(attempt),
  });
}

function typeWord(expected: string, field: z.ZodType | undefined): string {
  if (expected === "object" || expected === "record") {
    const keys = keysOf(field);
    return keys.length > 0
      ? `a map (of ${keys.slice(0, 8).join(", ")}${keys.length > 8 ? ", …" : ""})`
      : "a map of names to values";
  }
  const format = field && (unwrapped(field).def as { format?: string }).format;
  const words: { readonly [type: string]: string } = {
    int: "a whole number",
    number: "a number",
    string: "text",
    boolean: "true or false",
    array: "a list",
  };
  return words[format === "safeint" ? "int" : expected] ?? expected;
}

/** The value in the wanted type, where it is plain what was meant. */
function asType(value: unknown, expected: string): string | undefined {
  if (expected === "boolean") return asBoolean(value, [true, false]);
  if (expected === "string" && (typeof value === "number" || typeof value === "boolean"))
    return JSON.stringify(String(value));
  if (expected === "array" && (typeof value === "string" || typeof value === "number"))
    return `[${show(value)}]`;
  if (expected !== "int" && expected !== "number") return undefined;
  const number =
    typeof value === "string"
      ? Number(value.replaceAll("_", "").trim() || "x")
      : typeof value === "number"
        ? value
        : Number.NaN;
  if (!Number.isFinite(number)) return undefined;
  return String(expected === "int" ? Math.round(number) : number);
}

const YES = new Set(["yes", "y", "on", "true", "1"]);
const NO = new Set(["no", "n", "off", "false", "0"]);

/** YAML 1.1 read yes and no as booleans; 1.2 reads them as text, and people still write them. */
function asBoolean(value: unknown, wanted: readonly unknown[]): string | undefined {
  if (typeof value === "object") return undefined;
  const word = String(value).toLowerCase();
  const meant = YES.has(word) ? true : NO.has(word) ? false : undefined;
  return meant !== undefined && wanted.includes(meant) ? String(meant) : undefined;
}
