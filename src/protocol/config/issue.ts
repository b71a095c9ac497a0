/**
 * What is wrong with a configuration, as a value: one `Issue` a fault, all of them at once.
 *
 * The checks make `Fault`s, which name a path; `place` turns a path into a line and a column. Keeping
 * the two apart lets the same checks serve files (with positions) and JSON bodies (without).
 * A message is whole without the position: it names the field, shows the value, states the limit and
 * says what to do.
 */

export type IssueCode =
  /** The text is no YAML, or uses a part of YAML that is not read. */
  | "yaml_syntax"
  | "yaml_tag"
  | "yaml_alias"
  | "too_large"
  | "too_deep"
  /** A NUL, half a surrogate pair, or a number that JSON cannot hold. */
  | "unstorable"
  | "duplicate_key"
  | "reserved_name"
  | "unknown_key"
  /** Known to users of Determined, or planned, and not served yet. */
  | "not_served"
  /** Retired for good. */
  | "removed"
  | "missing"
  | "wrong_type"
  | "out_of_range"
  | "not_a_choice"
  | "bad_format"
  /** Two fields that do not go together, or one that needs another. */
  | "conflict"
  /** The field belongs to another searcher. */
  | "wrong_searcher"
  | "empty_space"
  | "impossible_condition"
  | "condition_cycle"
  | "grid_without_count"
  | "grid_too_large"
  /** More faults than are worth listing. */
  | "more_faults"
  /** Warnings: accepted, but probably not what was meant. */
  | "looks_like_values"
  | "looks_like_reference"
  | "looks_like_parameters"
  | "repeated_choice"
  | "nothing_varies"
  | "no_effect"
  | "equal_rungs"
  | "renamed";

export type Path = readonly (string | number)[];

/** A fault before its place in the file is looked up. */
export interface Fault {
  readonly code: IssueCode;
  readonly path: Path;
  /** Which word of the file to point at; a missing key points at its parent. Default "value". */
  readonly at?: "key" | "value";
  /** Offset into the text where it is known already; otherwise the path is looked up. */
  readonly offset?: number;
  /** No fault of part of a configuration: another part may supply what it misses. A field that is `missing` is so by itself. */
  readonly eventually?: boolean;
  /** A sentence or two, complete without the position. */
  readonly message: string;
  readonly value?: unknown;
  readonly limit?: string;
  readonly suggestion?: string;
}

export interface Issue {
  readonly severity: "error" | "warning";
  readonly code: IssueCode;
  /** `.searcher.divisor`, `.labels[0]`; empty for the file as a whole. */
  readonly path: string;
  /** From 1; null where the configuration came as JSON. */
  readonly line: number | null;
  readonly column: number | null;
  readonly message: string;
  /** The value as text, shortened; absent where there is none. */
  readonly value?: string;
  /** What the value must be. */
  readonly limit?: string;
  /** The nearest valid word or a value that would do. */
  readonly suggestion?: string;
}

/** Issues that are listed; beyond that a count is more help than a list. */
export const ISSUES_MAX = 100;

/** Faults of one kind that get a guess at what was meant; each compares with every word there is. */
export const GUESSES_MAX = 30;

/** Names that JavaScript gives a meaning: refused wherever a name becomes a key. */
export const RESERVED_NAMES: readonly string[] = ["__proto__", "constructor", "prototype"];

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** Renders a path the way messages show it: `.key[0]["odd key"]`. */
export function renderPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += IDENTIFIER.test(part) && part.length <= 80 ? `.${part}` : `[${show(part)}]`;
  }
  return text;
}

const SHOWN_MAX = 60;

/** One line of text for any value: JSON, shortened, with everything invisible spelled out. */
export function show(value: unknown): string {
  const text =
    typeof value === "number" ? String(value) : (JSON.stringify(clipped(value)) ?? String(value));
  const inert = spellOut(text);
  return inert.length <= SHOWN_MAX ? inert : `${inert.slice(0, SHOWN_MAX - 1)}…`;
}

/** Cuts long strings and lists before they are rendered, so that showing costs nothing. */
function clipped(value: unknown, depth = 0): unknown {
  if (typeof value === "string")
    return value.length > SHOWN_MAX ? value.slice(0, SHOWN_MAX + 1) : value;
  if (typeof value !== "object" || value === null) return value;
  if (depth === 4) return "…";
  if (Array.isArray(value)) return value.slice(0, 20).map((item) => clipped(item, depth + 1));
  const entries = Object.entries(value).slice(0, 20);
  return Object.fromEntries(
    entries.map(([key, item]) => [key.slice(0, SHOWN_MAX), clipped(item, depth + 1)]),
  );
}

/** Control, format and half-surrogate characters could steer a terminal or reverse a line. */
export const spellOut = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );

export interface FormatOptions {
  /** How the file is called in front of the position. Default "config". */
  readonly file?: string;
  /** The text that was read; with it the line at fault is shown under the message. */
  readonly source?: string;
}

/** One line `file:line:column: message`, and two more with the source line and a caret. */
export function formatIssue(issue: Issue, options: FormatOptions = {}): string {
  const place = issue.line === null ? "" : `:${issue.line}:${issue.column}`;
  const word = issue.severity === "warning" ? "warning: " : "";
  const first = `${options.file ?? "config"}${place}: ${word}${issue.message}`;
  if (options.source === undefined || issue.line === null) return first;
  const line = options.source.split(/\r\n|\n|\r/, issue.line)[issue.line - 1];
  if (line === undefined || line.length > 160) return first;
  const indent = spellOut(line.slice(0, (issue.column ?? 1) - 1)).length;
  return `${first}\n    ${spellOut(line)}\n    ${" ".repeat(indent)}^`;
}

/** The same for programs: plain JSON, one object an issue. */
export const issueToJson = (
  issue: Issue,
  file?: string,
): { [key: string]: string | number | null } => ({
  ...(file === undefined ? {} : { file }),
  ...issue,
});
