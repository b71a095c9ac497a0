/** Faults of a configuration, as an answer says them. */
import type { Issue } from "../protocol/config/issue.ts";
import type { ProblemIssue } from "../protocol/errors.ts";

export function describeFaults(issues: readonly Issue[]): string {
  const first = issues[0];
  const where = first?.line == null ? "" : `line ${first.line}, column ${first.column}: `;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  return `${where}${first?.message ?? "the configuration is not valid"}${more}`;
}

export function toProblemIssue(issue: Issue): ProblemIssue {
  return {
    code: issue.code,
    path: issue.path,
    message: issue.message,
    ...(issue.line === null ? {} : { line: issue.line }),
    ...(issue.column === null ? {} : { column: issue.column }),
    ...(issue.value === undefined ? {} : { value: issue.value }),
    ...(issue.limit === undefined ? {} : { limit: issue.limit }),
    ...(issue.suggestion === undefined ? {} : { suggestion: issue.suggestion }),
  };
}
