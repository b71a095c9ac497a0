/**
 * Every error that crosses the wire, in one list. The class says what the caller does next:
 *   fix         the request is wrong; change it        retry   the same request may be sent again now
 *   retry_later wait first                             give_up nothing that the caller does will help
 * Answers are problem details (RFC 9457): `type` is `urn:contrail:error:<code>`, `detail` names the
 * thing, the value and the limit, and `hint` the next step.
 */
import { z } from "zod";

interface Entry {
  readonly status: number;
  readonly class: "fix" | "retry" | "retry_later" | "give_up";
  /** What it means, for the docs. */
  readonly title: string;
  /** The next step when the place that raises it knows nothing better. */
  readonly hint: string;
}

export const ERRORS = {
  invalid_request: {
    status: 400,
    class: "fix",
    title: "A field of the request is missing, unknown or out of bounds.",
    hint: "Correct the fields listed in `issues`.",
  },
  invalid_config: {
    status: 400,
    class: "fix",
    title: "The experiment configuration has faults; all of them are listed.",
    hint: "Run `contrail config lint FILE` and correct each line.",
  },
  not_authenticated: {
    status: 401,
    class: "fix",
    title: "No token came with the request, or it is unknown, revoked or expired.",
    hint: "Run `contrail login`, or set CONTRAIL_TOKEN.",
  },
  not_allowed: {
    status: 403,
    class: "fix",
    title: "The token is valid but its scope does not cover this.",
    hint: "Use a token with the scope named in the message.",
  },
  not_found: {
    status: 404,
    class: "fix",
    title: "There is no such thing, or it is not yours to see.",
    hint: "List what there is: `contrail experiment list`.",
  },
  too_slow: {
    status: 408,
    class: "retry",
    title: "The body of the request came too slowly, or not at all.",
    hint: "Send it again, all of it without a pause.",
  },
  conflict: {
    status: 409,
    class: "fix",
    title: "The thing is not in a state in which this can be done.",
    hint: "Look at its state first: `contrail experiment show ID`.",
  },
  idempotency_mismatch: {
    status: 409,
    class: "fix",
    title: "The idempotency key was used before with a different request.",
    hint: "Use a new key for a new request.",
  },
  runner_taken: {
    status: 409,
    class: "retry_later",
    title: "Another process speaks for this runner, and nobody can say that it has ended.",
    hint: "Let each node have one runner, with a name and a state folder of its own; end the other one first.",
  },
  missing_blobs: {
    status: 409,
    class: "fix",
    title: "The snapshot names files whose content was not uploaded.",
    hint: "Upload the blobs listed in `issues`, then send the request again.",
  },
  deleted: {
    status: 410,
    class: "give_up",
    title: "It was there and was deleted; what is known about it is still shown.",
    hint: "The log of changes says who or what deleted it, when and why: `contrail audit list ID`.",
  },
  too_large: {
    status: 413,
    class: "fix",
    title: "The body is larger than this route takes.",
    hint: "Send less at once.",
  },
  slots_unavailable: {
    status: 422,
    class: "fix",
    title: "The request can never be placed on the slots that there are.",
    hint: "Lower resources.slots_per_trial.",
  },
  invalid_bundle: {
    status: 422,
    class: "fix",
    title:
      "The bundle is not as its own hashes and counts say, or not a bundle; nothing of it was imported.",
    hint: "Get it again from whoever made it; scripts/verify-bundle.py names every file that was changed.",
  },
  hash_mismatch: {
    status: 422,
    class: "retry",
    title: "The bytes that arrived do not have the hash that they were sent under.",
    hint: "Send them again.",
  },
  too_many_attempts: {
    status: 429,
    class: "retry_later",
    title: "Too many failed sign-ins from this address or for this account.",
    hint: "Wait for the seconds named in Retry-After.",
  },
  internal: {
    status: 500,
    class: "retry_later",
    title: "The server made a mistake. Nothing was half done.",
    hint: "Try again; if it stays, report the `instance` id with the server's log.",
  },
  unavailable: {
    status: 503,
    class: "retry_later",
    title: "The server is starting, stopping or overloaded, or cannot reach its database.",
    hint: "Try again in a few seconds.",
  },
  disk_full: {
    status: 507,
    class: "retry_later",
    title: "There is no room left where the server keeps its data.",
    hint: "Free some space; the server goes on by itself.",
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof ERRORS;

/** One fault of a request, with its place. Lines and columns count from 1. */
export const problemIssue = z.object({
  code: z.string(),
  path: z.string(),
  message: z.string(),
  line: z.int().optional(),
  column: z.int().optional(),
  value: z.json().optional(),
  limit: z.string().optional(),
  suggestion: z.string().optional(),
});

export const problem = z.object({
  type: z.string(),
  code: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  hint: z.string(),
  class: z.enum(["fix", "retry", "retry_later", "give_up"]),
  /** Finds this very failure in the server's log. */
  instance: z.string().optional(),
  issues: z.array(problemIssue).optional(),
});
export type Problem = z.infer<typeof problem>;
export type ProblemIssue = z.infer<typeof problemIssue>;

/** A failure that the caller is told about. */
export class ContrailError extends Error {
  override name = "ContrailError";
  readonly code: ErrorCode;
  readonly hint: string;
  readonly issues: readonly ProblemIssue[] | undefined;
  readonly retryAfterS: number | undefined;

  constructor(
    code: ErrorCode,
    detail: string,
    options: {
      hint?: string;
      issues?: readonly ProblemIssue[];
      retryAfterS?: number;
      cause?: unknown;
    } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? ERRORS[code].hint;
    this.issues = options.issues;
    this.retryAfterS = options.retryAfterS;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  toProblem(instance?: string): Problem {
    const { title, status, class: what } = ERRORS[this.code];
    return {
      type: `urn:contrail:error:${this.code}`,
      code: this.code,
      title,
      status,
      detail: this.message,
      hint: this.hint,
      class: what,
      ...(instance === undefined ? {} : { instance }),
      ...(this.issues === undefined ? {} : { issues: [...this.issues] }),
    };
  }
}
