/**
 * What a part of the test run came to. Numbers are only ever added up from what was really seen to
 * run: a part that breaks before it can count is one failure, never nothing.
 */
export interface Failure {
  /** What failed: a test with its parents, or the part itself. */
  readonly title: string;
  /** `path:line`, or "" when there is none. */
  readonly where: string;
  readonly detail: string;
}

export interface Outcome {
  readonly passed: number;
  /** Each with its detail; their number is the count of failures. */
  readonly failures: readonly Failure[];
  /** Each with its reason. */
  readonly skipped: readonly string[];
}

export const nothing: Outcome = { passed: 0, failures: [], skipped: [] };
export const passed = (count = 1): Outcome => ({ ...nothing, passed: count });
export const skipped = (reason: string): Outcome => ({ ...nothing, skipped: [reason] });
export const failed = (title: string, detail: string, where = ""): Outcome => ({
  ...nothing,
  failures: [{ title, where, detail }],
});

export function sum(outcomes: readonly Outcome[]): Outcome {
  return {
    passed: outcomes.reduce((total, outcome) => total + outcome.passed, 0),
    failures: outcomes.flatMap((outcome) => outcome.failures),
    skipped: outcomes.flatMap((outcome) => outcome.skipped),
  };
}

/** `12 passed, 0 failed, 1 skipped` */
export const tally = ({ passed, failures, skipped }: Outcome): string =>
  `${passed} passed, ${failures.length} failed, ${skipped.length} skipped`;

/** 0 only when something ran and nothing failed. */
export const exitCodeOf = ({ passed, failures }: Outcome): number =>
  failures.length === 0 && passed > 0 ? 0 : 1;
