/** A failure as a person reads it: what, where, which value, which limit, what to do. */
import type { Problem, ProblemIssue } from "../protocol/errors.ts";
import { inert, inertLines } from "./inert.ts";
import type { Paint } from "./paint.ts";

const ISSUES_MAX = 50;

/** @param file the file that line numbers of issues count in */
export function problemLines(
  problem: Problem,
  options: { readonly paint: Paint; readonly self: string; readonly file?: string | undefined },
): string[] {
  const { paint, self, file } = options;
  const [first = "", ...more] = inertLines(problem.detail);
  const issues = problem.issues ?? [];
  const lines = [
    `${paint.red("error:")} ${first}`,
    ...more,
    ...issues.slice(0, ISSUES_MAX).flatMap((issue) => issueLines(issue, paint, file)),
  ];
  if (issues.length > ISSUES_MAX) lines.push(`  … and ${issues.length - ISSUES_MAX} more`);
  if (problem.hint !== "")
    lines.push(`${paint.cyan("hint:")} ${inert(asCalled(problem.hint, self))}`);
  if (problem.instance !== undefined)
    lines.push(paint.dim(`in the server's log: ${inert(problem.instance)}`));
  return lines;
}

/** A fault with its place; faults found here may carry any value. */
interface ShownIssue extends Pick<ProblemIssue, "path" | "message"> {
  readonly line?: number | null | undefined;
  readonly column?: number | null | undefined;
  readonly value?: unknown;
  readonly limit?: string | undefined;
  readonly suggestion?: string | undefined;
}

export function issueLines(issue: ShownIssue, paint: Paint, file?: string): string[] {
  const place = [
    file === undefined ? undefined : inert(file),
    issue.line == null ? undefined : String(issue.line),
    issue.column == null ? undefined : String(issue.column),
  ]
    .filter((p) => p !== undefined)
    .join(":");
  // A message that names its path is whole by the house's custom: value, limit and way out are in it. So is one of the file.
  const whole = issue.message.includes(issue.path);
  const head = [place, whole ? "" : inert(issue.path)].filter(Boolean).join("  ");
  const { value, limit, suggestion } = issue;
  const notes = whole
    ? []
    : [
        value === undefined ? "" : `it is ${inert(short(JSON.stringify(value) ?? ""))}`,
        limit === undefined ? "" : `the limit is ${inert(limit)}`,
        suggestion === undefined ? "" : `did you mean ${inert(suggestion)}?`,
      ].filter((note) => note !== "");
  return [
    `  ${head === "" ? "" : `${paint.bold(head)}  `}${inert(issue.message)}`,
    ...(notes.length === 0 ? [] : [`    ${paint.dim(notes.join("; "))}`]),
  ];
}

const short = (text: string): string => (text.length > 120 ? `${text.slice(0, 119)}…` : text);

/** Hints name the program `contrail`; the person may have called it by a path. */
export const asCalled = (hint: string, self: string): string =>
  self === "contrail" ? hint : hint.replace(/(?<![\w/.-])contrail (?=[a-z-])/g, () => `${self} `);
