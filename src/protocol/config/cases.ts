/** For the tables of this folder's tests: a file, and every issue that reading it must give. */
import { type ExperimentConfig, readConfig } from "./config.ts";
import { formatIssue, type Issue } from "./issue.ts";

/** `line:column` and pieces of the message, in order of position. */
export type Expected = readonly [place: string, ...pieces: string[]];

const place = (issue: Issue): string => `${issue.line}:${issue.column}`;
export const listed = (issues: readonly Issue[]): string =>
  issues.map((issue) => formatIssue(issue)).join("\n");

/**
 * Reads a file and holds its issues, all of them, to what is expected.
 * @returns what differs, with the file; empty when nothing does
 */
export function differences([, text, expected, warned = []]: Case): string {
  const reading = readConfig(text);
  const found = [
    ...compared(reading.ok ? [] : reading.issues, expected),
    ...compared(reading.warnings, warned),
  ];
  if (found.length === 0) return "";
  const issues = reading.ok ? [] : reading.issues;
  return [...found, "--", text, "--", listed([...issues, ...reading.warnings])].join("\n");
}

function compared(issues: readonly Issue[], expected: readonly Expected[]): string[] {
  const places = issues.map(place).join(" ");
  const wanted = expected.map(([at]) => at).join(" ");
  if (places !== wanted) return [`issues at ${places || "no place"}, not at ${wanted || "none"}`];
  return expected.flatMap(([at, ...pieces], index) =>
    pieces
      .filter((piece) => !issues[index]!.message.includes(piece))
      .map((piece) => `${at} lacks: ${piece}`),
  );
}

export function issuesOf(text: string): readonly Issue[] {
  const reading = readConfig(text);
  return reading.ok ? [] : reading.issues;
}

/** @throws where the file is refused, with every reason */
export function accepted(text: string): ExperimentConfig {
  const reading = readConfig(text);
  if (!reading.ok) throw new Error(`${text}\n--\n${listed(reading.issues)}`);
  return reading.config;
}

/** Line 1 is the entrypoint; the case begins at line 2. */
export const run = (lines: string): string => `entrypoint: train\n${lines}`;
/** A sound asha search; the case's fields of the searcher begin at line 7. */
export const search = (fields: string): string =>
  run(
    `hyperparameters: {lr: {type: double, minval: 0, maxval: 1}}\nsearcher:\n  name: asha\n  metric: loss\n  max_length: 9\n${fields}`,
  );
/** Hyperparameters from line 4 on, under a search that takes anything. */
export const space = (lines: string): string =>
  run(
    `searcher: {metric: loss, max_length: 9}\nhyperparameters:\n  free: {type: int, minval: 1, maxval: 9}\n${lines}`,
  );
export const grid = (lines: string): string =>
  run(`searcher: {name: grid, metric: loss, max_length: 9}\nhyperparameters:\n${lines}`);

export type Case = readonly [
  name: string,
  text: string,
  issues: readonly Expected[],
  warnings?: readonly Expected[],
];
