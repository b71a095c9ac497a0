/**
 * What the exit codes mean, in one table that the documentation prints, and how a failure becomes one.
 * Scripts decide on these, so a number never changes its meaning.
 */
import type { Problem } from "../protocol/errors.ts";
import { RemoteError } from "../sdk/remote-error.ts";

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  notAllowed: 4,
  unreachable: 5,
  notCompleted: 6,
  differs: 7,
  notComparable: 8,
  interrupted: 130,
  pipeClosed: 141,
} as const;

export const EXIT_MEANINGS: readonly (readonly [number, string])[] = [
  [EXIT.ok, "It worked."],
  [EXIT.failed, "It failed; the message on stderr says what, where, and what to do."],
  [EXIT.usage, "The command line is wrong: an unknown command, option or value."],
  [
    EXIT.notFound,
    "There is no such experiment, trial, checkpoint or file, or it is not yours to see.",
  ],
  [EXIT.notAllowed, "Not signed in, or the token does not cover this."],
  [EXIT.unreachable, "No Contrail server answers, or it is starting, stopping or overloaded."],
  [EXIT.notCompleted, "The experiment that was waited for ended, but did not complete."],
  [EXIT.differs, "The replay came out with other parameters than its trial."],
  [EXIT.notComparable, "Nothing can be said of the replay: the two are not comparable, and why."],
  [EXIT.interrupted, "Interrupted with Ctrl-C. What runs on the server goes on."],
  [EXIT.pipeClosed, "The program that read the output closed it."],
];

/** A failure found on this side of the wire; shaped like the server's, so that both print alike. */
export class CliError extends Error {
  override name = "CliError";
  readonly code: string;
  readonly hint: string;
  readonly exitCode: number;
  readonly issues: Problem["issues"];
  constructor(
    code: string,
    detail: string,
    options: { hint: string; exitCode?: number; issues?: Problem["issues"]; cause?: unknown },
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.issues = options.issues;
  }
}

/** A failure whose issues have lines in a file of the user's. */
export interface FileError extends Error {
  file: string;
}

/** Notes in which file the lines of the issues count. */
export const inFile = <E extends Error>(error: E, file: string): E & FileError =>
  Object.assign(error, { file });

/** The command line itself is wrong. */
export const usageError = (detail: string, hint: string): CliError =>
  new CliError("usage", detail, { hint, exitCode: EXIT.usage });

/** What to do about a path at which there is nothing. */
export const CHECK_PATH = "Check the path; relative ones start at the current folder.";

export interface Failure {
  readonly problem: Problem;
  readonly exitCode: number;
}

/** Turns whatever was thrown into what is printed and returned. */
export function failureOf(error: unknown): Failure {
  if (error instanceof RemoteError)
    return { problem: problemOf(error), exitCode: exitCodeOf(error) };
  if (error instanceof CliError)
    return {
      exitCode: error.exitCode,
      problem: {
        ...local(error.code, error.message, error.hint),
        ...(error.issues === undefined ? {} : { issues: error.issues }),
      },
    };
  const { code, path, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" && path !== undefined)
    return {
      exitCode: EXIT.notFound,
      problem: local("no_such_file", `There is no ${path}.`, CHECK_PATH),
    };
  // Reading a folder names no path.
  if (code === "EISDIR")
    return {
      exitCode: EXIT.usage,
      problem: local(
        "is_a_folder",
        `${path ?? "What was named"} is a folder; a file is wanted.`,
        "Name a file in it.",
      ),
    };
  if (code === "ENOTDIR" && path !== undefined)
    return {
      exitCode: EXIT.failed,
      problem: local(
        "not_a_folder",
        `${path} is no folder, or leads through a file.`,
        "Name a folder; one that does not exist yet where something is to be written.",
      ),
    };
  if ((code === "EACCES" || code === "EPERM") && path !== undefined)
    return {
      exitCode: EXIT.notAllowed,
      problem: local(
        "file_not_allowed",
        `${path} may not be used by this user: ${message}.`,
        "Change its permissions, or choose another path.",
      ),
    };
  if (code === "ENOSPC")
    return {
      exitCode: EXIT.failed,
      problem: local(
        "disk_full",
        `The disk is full: ${message}.`,
        "Free some space and run the command again.",
      ),
    };
  return {
    exitCode: EXIT.failed,
    problem: local(
      "internal",
      error instanceof Error ? `${error.name}: ${error.message}` : String(error),
      "This is a mistake in contrail. Run it again with CONTRAIL_DEBUG=1 for the place, and report it.",
    ),
  };
}

function local(code: string, detail: string, hint: string): Problem {
  return {
    type: `urn:contrail:error:${code}`,
    code,
    title: "The command failed.",
    status: 0,
    detail,
    hint,
    class: "fix",
  };
}

/** Another program at the address is the likeliest reason, so it comes first. A gateway's own page, which says "later", is none. */
function problemOf(error: RemoteError): Problem {
  const problem = error.toProblem();
  if (error.code !== "not_contrail" || error.class === "retry_later") return problem;
  return { ...problem, detail: `This is no Contrail server: ${problem.detail}` };
}

function exitCodeOf(error: RemoteError): number {
  if (error.code === "not_contrail") return EXIT.unreachable;
  if (error.status === 404) return EXIT.notFound;
  if (error.status === 401 || error.status === 403) return EXIT.notAllowed;
  if (error.status === 0 || error.status === 502 || error.status === 503 || error.status === 504)
    return EXIT.unreachable;
  return EXIT.failed;
}
