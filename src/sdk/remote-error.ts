/**
 * What a caller of the HTTP client catches: the server's problem details as an error, or the fact
 * that no answer came. It mirrors `ContrailError` of the protocol without importing it, because that
 * class sits beside the zod schemas and a command that only prints an error must not load them.
 */
import type { Problem, ProblemIssue } from "../protocol/errors.ts";

export class RemoteError extends Error {
  override name = "RemoteError";
  /** A code of the catalogue, or `unreachable`, `timed_out`, `not_contrail` for what never got there. */
  readonly code: string;
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly hint: string;
  readonly class: Problem["class"];
  readonly issues: readonly ProblemIssue[];
  /** Finds this failure in the server's log. */
  readonly instance: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly #problem: Problem;

  constructor(problem: Problem, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(problem.detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = problem.code;
    this.status = problem.status;
    this.hint = problem.hint;
    this.class = problem.class;
    this.issues = problem.issues ?? [];
    this.instance = problem.instance;
    this.retryAfterMs = options.retryAfterMs;
    this.#problem = problem;
  }

  /** The problem details as they came (or as they would have). */
  toProblem(): Problem {
    return this.#problem;
  }
}

const UNREACHABLE = {
  type: "urn:contrail:error:unreachable",
  code: "unreachable",
  status: 0,
  class: "retry_later",
} as const;

/** No server answered at `url`. */
export function unreachable(url: string, cause: unknown): RemoteError {
  return new RemoteError(
    {
      ...UNREACHABLE,
      title: "No server answers there.",
      detail: `No Contrail server answers at ${url}: ${reasonOf(cause)}.`,
      hint: "Start one with `contrail up`, or name another with --server or CONTRAIL_SERVER.",
    },
    { cause },
  );
}

/** What a server that is started anew, one that is asked too much, and a proxy before either of them say: the same may go well later. */
export const isPassing = ({ code, status }: RemoteError): boolean =>
  code === "unreachable" || [408, 425, 429, 502, 503, 504].includes(status);

/** A connection stands, and `fetch` of Node gave up waiting: after 5 minutes, whatever the caller's limit is. */
export function isStillAwaited({ cause }: RemoteError): boolean {
  const inner = cause instanceof Error ? cause.cause : undefined;
  return (inner as { code?: unknown } | undefined)?.code === "UND_ERR_HEADERS_TIMEOUT";
}

/** One answered at `url`, but its answer ended too early. */
export function brokeOff(url: string, cause: unknown): RemoteError {
  return new RemoteError(
    {
      ...UNREACHABLE,
      title: "The answer is not whole.",
      detail: `The answer of ${url} ended too early: ${reasonOf(cause)}.`,
      hint: "Try again; the server's log says why it ended the connection.",
    },
    { cause },
  );
}

/** The server took longer than `limitMs`. */
export function timedOut(what: string, limitMs: number): RemoteError {
  return new RemoteError({
    type: "urn:contrail:error:timed_out",
    code: "timed_out",
    title: "The server did not answer in time.",
    status: 0,
    detail: `${what} had no answer after ${limitMs / 1000} s.`,
    hint: "Try again; if it stays, look at the server's log.",
    class: "retry_later",
  });
}

/** Something answered, but not in this API's words. */
export function notContrail(what: string, status: number, found: string): RemoteError {
  return new RemoteError({
    type: "urn:contrail:error:not_contrail",
    code: "not_contrail",
    title: "The answer is not one of a Contrail server.",
    status,
    detail: `${what} was answered with status ${status} and ${found}.`,
    hint: "Check the address: something else may listen there, or a proxy stands between.",
    class: status >= 500 || [408, 425, 429].includes(status) ? "retry_later" : "fix",
  });
}

/** The innermost reason of a failed fetch, in a few words. */
function reasonOf(cause: unknown): string {
  let at: unknown = cause;
  for (let depth = 0; depth < 5; depth++) {
    if (!(at instanceof Error)) break;
    const code = (at as { code?: unknown }).code;
    if (code === "ECONNREFUSED") return "the connection was refused";
    if (code === "ENOTFOUND") return "the host name is not known";
    if (code === "ECONNRESET" || code === "UND_ERR_SOCKET") return "the connection was cut";
    if (code === "UND_ERR_CONNECT_TIMEOUT" || code === "ETIMEDOUT")
      return "connecting took too long";
    if (at.cause === undefined) return at.message;
    at = at.cause;
  }
  return String(at);
}
