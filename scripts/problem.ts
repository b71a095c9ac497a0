/** Something that a check found, where it is, and what to do about it. */
export interface Problem {
  readonly path: string;
  /** From 1; 0 = the file as a whole. */
  readonly line: number;
  /** The rule's short name. */
  readonly rule: string;
  readonly text: string;
  /** A warning is shown and fails nothing. */
  readonly isWarning?: boolean;
}

/** One line for each problem, in the form that terminals and editors make a link of. */
export function formatProblem({ path, line, rule, text, isWarning }: Problem): string {
  return `${path}${line > 0 ? `:${line}` : ""}  ${isWarning ? "warning " : ""}${rule}: ${text}`;
}

/** Line, from 1, of the character at `offset`. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

/**
 * Prints what a check found when it is run on its own.
 * @returns the exit code: 1 when anything but a warning was found
 */
export function reportProblems(problems: readonly Problem[], whenFine: string): number {
  for (const problem of problems) console.log(formatProblem(problem));
  const errors = problems.filter((problem) => !problem.isWarning).length;
  console.log(errors === 0 ? whenFine : `${errors} found`);
  return errors === 0 ? 0 : 1;
}
