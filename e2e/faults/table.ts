/** The findings as a table for a terminal. */
import type { Finding } from "./row.ts";

/** What became of a row. */
export interface Outcome {
  readonly row: string;
  readonly fault: string;
  readonly seconds: number;
  readonly findings: readonly Finding[];
  /** Why the fault could not be made here. */
  readonly skipped: string | null;
  /** Why the row could not be brought to its end. */
  readonly error: string | null;
}

/** Passing means: it was tried, to the end, and no figure is beyond its limit. */
export const passes = ({ findings, error, skipped }: Outcome): boolean =>
  skipped === null &&
  error === null &&
  findings.length > 0 &&
  findings.every(({ ok }) => ok !== false);

const HEAD = ["row", "what", "figure", "passes", "", "s"];
/** Longer figures (the first of many faults) are cut; --json has all of them. */
const FIGURE_CHARS_MAX = 100;

export function outcomeTable(outcomes: readonly Outcome[]): string {
  const lines = outcomes.flatMap((outcome) => linesOf(outcome));
  const widths = HEAD.map((head, column) =>
    Math.max(...[HEAD, ...lines].map((line) => (line[column] ?? head).length)),
  );
  return [HEAD, ...lines]
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function linesOf(outcome: Outcome): string[][] {
  const { row, fault, findings, skipped, error, seconds } = outcome;
  const verdict = skipped !== null ? "skipped" : passes(outcome) ? "pass" : "FAIL";
  const first = [row, fault, skipped ?? "", "", verdict, seconds.toFixed(0)];
  const more = findings.map(({ what, figure, passes: limit, ok }) => [
    "",
    `  ${what}`,
    cut(figure),
    limit,
    ok === null ? "too noisy" : ok ? "pass" : "FAIL",
  ]);
  return [first, ...more, ...(error === null ? [] : [["", "  could not be finished", cut(error)]])];
}

const cut = (text: string): string =>
  text.length > FIGURE_CHARS_MAX ? `${text.slice(0, FIGURE_CHARS_MAX)}…` : text;
