/**
 * The query language of the list of experiments: `state:active label:vision best>0.9 created>2026-01-01 -owner:bob`.
 *
 * Terms stand beside each other and all must hold; a comma gives alternatives; `-` before a term turns it round; a word
 * alone is looked for in names and labels. Nothing more, on purpose: parentheses and OR were refused, since what needs
 * them is a program's business, and a program has the API. Every fault is found at once, each with its place.
 * What comes out is data; the store turns it into SQL with bound parameters, so no text of a person becomes SQL.
 */
import { nearest } from "../config/nearest.ts";
import { FILTER_FIELDS, type FieldName, isFieldName } from "./fields.ts";
import { experimentState, kindWords, verdictWords } from "./states.ts";

export const FILTER_CHARS_MAX = 2000;
const TERMS_MAX = 50;
const VALUES_MAX = 100;
/** Loose bound of the numbers that ids, steps and priorities are: they are compared as float8. */
const OPERATORS = ["<=", ">=", "!=", "!~", ":", "=", "~", "<", ">"] as const;
type Written = (typeof OPERATORS)[number];

export type Comparison = "equals" | "contains" | "<" | "<=" | ">" | ">=";

/** One condition; `values` are alternatives of the kind that the field has. */
export type FilterTerm = { readonly negated: boolean } & (
  | { readonly field: "anywhere"; readonly comparison: "contains"; readonly values: string[] }
  | { readonly field: FieldName; readonly comparison: Comparison; readonly values: string[] }
);

export interface FilterIssue {
  readonly code: "unknown_field" | "bad_value" | "bad_operator" | "unclosed_quote" | "too_long";
  readonly message: string;
  /** Counted from 1. */
  readonly column: number;
  /** How many characters are meant. */
  readonly length: number;
  readonly suggestion?: string;
}

/** Tasks are no results: they are shown to those who ask for them by `kind`. */
export function withoutTasks(terms: readonly FilterTerm[]): readonly FilterTerm[] {
  if (terms.some(({ field }) => field === "kind")) return terms;
  const own = {
    negated: false,
    field: "kind",
    comparison: "equals",
    values: ["experiment"],
  } as const;
  return [...terms, { ...own, values: [...own.values] }];
}

export type FilterReading =
  | { readonly ok: true; readonly terms: readonly FilterTerm[] }
  | { readonly ok: false; readonly issues: readonly FilterIssue[] };

interface Piece {
  readonly at: number;
  readonly length: number;
  readonly negated: boolean;
  /** Absent for a word alone. */
  readonly field?: { readonly word: string; readonly operator: Written };
  readonly values: readonly string[];
}

/** Never throws, whatever the text is. */
export function parseFilter(text: string): FilterReading {
  if (text.length > FILTER_CHARS_MAX)
    return fault(
      "too_long",
      `The filter has ${text.length} characters; at most ${FILTER_CHARS_MAX} are read.`,
    );
  const issues: FilterIssue[] = [];
  const pieces = split(text, issues);
  if (pieces.length > TERMS_MAX)
    return fault(
      "too_long",
      `The filter has ${pieces.length} terms; at most ${TERMS_MAX} are read.`,
    );
  const terms = pieces.flatMap((piece) => readTerm(piece, issues) ?? []);
  if (issues.length === 0) return { ok: true, terms };
  return { ok: false, issues: issues.toSorted((a, b) => a.column - b.column) };
}

const fault = (code: FilterIssue["code"], message: string): FilterReading => ({
  ok: false,
  issues: [{ code, message, column: 1, length: 1 }],
});

/** Text into terms, by spaces outside of quotes. */
function split(text: string, issues: FilterIssue[]): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  while (at < text.length) {
    if (isSpace(text[at])) {
      at++;
      continue;
    }
    const start = at;
    const negated = text[at] === "-" && at + 1 < text.length && !isSpace(text[at + 1]);
    if (negated) at++;
    const wordStart = at;
    while (at < text.length && /[A-Za-z_]/.test(text[at] as string)) at++;
    const word = text.slice(wordStart, at);
    const operator =
      word === "" ? undefined : OPERATORS.find((candidate) => text.startsWith(candidate, at));
    if (operator === undefined) at = wordStart;
    else at += operator.length;
    const values: string[] = [];
    do {
      if (values.length > 0) at++;
      const value = readValue(text, at, operator !== undefined, issues);
      values.push(value.text);
      at = value.end;
    } while (operator !== undefined && text[at] === ",");
    const place = { at: start, length: at - start, negated, values };
    pieces.push(operator === undefined ? place : { ...place, field: { word, operator } });
  }
  return pieces;
}

const isSpace = (character: string | undefined): boolean =>
  character !== undefined && /\s/.test(character);

/** A value in quotes, where \" and \\ stand for themselves, or up to the next space (or comma). */
function readValue(
  text: string,
  start: number,
  commaEnds: boolean,
  issues: FilterIssue[],
): { text: string; end: number } {
  let at = start;
  let value = "";
  if (text[at] !== '"') {
    while (at < text.length && !isSpace(text[at]) && !(commaEnds && text[at] === ",")) at++;
    return { text: text.slice(start, at), end: at };
  }
  for (at++; at < text.length; at++) {
    if (text[at] === '"') {
      // What touches the quote belongs to it, so that the reading goes on at a space.
      let end = at + 1;
      while (end < text.length && !isSpace(text[end]) && !(commaEnds && text[end] === ",")) end++;
      return { text: value + text.slice(at + 1, end), end };
    }
    if (text[at] === "\\" && (text[at + 1] === '"' || text[at + 1] === "\\")) at++;
    value += text[at];
  }
  issues.push({
    code: "unclosed_quote",
    message: 'The quote that begins here has no end. Write " after the text.',
    column: start + 1,
    length: text.length - start,
  });
  return { text: value, end: at };
}

const ORDERINGS: readonly string[] = ["<", "<=", ">", ">="];

function readTerm(piece: Piece, issues: FilterIssue[]): FilterTerm | undefined {
  const found = issues.length;
  const refuse = (code: FilterIssue["code"], message: string, suggestion?: string): void => {
    issues.push({
      ...{ code, message, column: piece.at + 1, length: Math.max(1, piece.length) },
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  };
  const { field, values } = piece;
  if (values.some((value) => value.includes("\0")))
    refuse("bad_value", "A value cannot contain a NUL character.");
  if (field === undefined) {
    const word = values[0] ?? "";
    if (word === "") refuse("bad_value", "There is nothing to look for between the quotes.");
    if (issues.length > found) return undefined;
    return { negated: piece.negated, field: "anywhere", comparison: "contains", values: [word] };
  }
  const { operator } = field;
  let name = field.word.toLowerCase();
  // People think of the metric's value by the metric's name.
  if (name === "metric" && ORDERINGS.includes(operator)) name = "best";
  if (!isFieldName(name)) {
    const names = Object.keys(FILTER_FIELDS);
    const guess = nearest(name, names);
    const help = guess === undefined ? `There are: ${names.join(", ")}.` : `Did you mean ${guess}?`;
    refuse("unknown_field", `There is no field ${JSON.stringify(field.word)}. ${help}`, guess);
    return undefined;
  }
  const { kind } = FILTER_FIELDS[name];
  const comparison = comparisonOf(operator, kind);
  if (comparison === undefined) {
    const may =
      kind === "number" || kind === "time" ? ": < <= > >=" : kind === "text" ? ": ~" : ":";
    refuse("bad_operator", `${name} cannot be compared by ${operator}. It takes ${may}`);
    return undefined;
  }
  if (values.length > VALUES_MAX)
    refuse(
      "too_long",
      `${name} has ${values.length} alternatives; at most ${VALUES_MAX} are read.`,
    );
  if (values.length > 1 && ORDERINGS.includes(comparison))
    refuse("bad_value", `${name}${operator} takes one value, not ${values.length}.`);
  const read = values.map((value) => readKind(name, kind, value, refuse));
  if (issues.length > found) return undefined;
  const negated = piece.negated !== operator.startsWith("!");
  return { negated, field: name, comparison, values: read };
}

function comparisonOf(operator: Written, kind: string): Comparison | undefined {
  if (operator === ":" || operator === "=" || operator === "!=") return "equals";
  if (operator === "~" || operator === "!~") return kind === "text" ? "contains" : undefined;
  return kind === "number" || kind === "time" ? operator : undefined;
}

const DAY = /^\d{4}-\d\d-\d\d$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?$/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** @returns the value as the store compares it; times in UTC where nothing else is said */
function readKind(
  name: string,
  kind: string,
  value: string,
  refuse: (code: FilterIssue["code"], message: string, suggestion?: string) => void,
): string {
  const shown = JSON.stringify(value.slice(0, 80));
  if (value === "") refuse("bad_value", `${name} has no value. Write one after the sign.`);
  else if (kind === "number") {
    if (!NUMBER.test(value) || !Number.isFinite(Number(value)))
      refuse("bad_value", `${name} is compared with a number; ${shown} is none.`);
  } else if (kind === "time") {
    const text = DAY.test(value) ? `${value}T00:00Z` : TIME.test(value) ? withZone(value) : "";
    const ms = Date.parse(text);
    if (Number.isNaN(ms) || !daysAreReal(value))
      refuse(
        "bad_value",
        `${name} is compared with a date or time, such as 2026-01-31 or 2026-01-31T12:00Z; ${shown} is none.`,
      );
    else return text;
  } else if (kind === "state") return readWord("state", value, experimentState, refuse);
  else if (kind === "kind") return readWord("kind", value, kindWords, refuse);
  // As people say it: "not comparable".
  else if (kind === "verdict")
    return readWord("verdict", value.replaceAll(/[ -]/g, "_"), verdictWords, refuse);
  return value;
}

function readWord(
  what: string,
  value: string,
  words: readonly string[],
  refuse: (code: FilterIssue["code"], message: string, suggestion?: string) => void,
): string {
  if (words.includes(value)) return value;
  const guess = nearest(value, words);
  const help =
    guess === undefined ? `It is one of: ${words.join(", ")}.` : `Did you mean ${guess}?`;
  refuse("bad_value", `There is no ${what} ${JSON.stringify(value.slice(0, 80))}. ${help}`, guess);
  return value;
}

const withZone = (time: string): string => (/(?:Z|[+-]\d\d:\d\d)$/.test(time) ? time : `${time}Z`);

/** `Date.parse` takes 31 February for a day in March. */
function daysAreReal(value: string): boolean {
  const day = new Date(`${value.slice(0, 10)}T00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().slice(0, 10) === value.slice(0, 10);
}
