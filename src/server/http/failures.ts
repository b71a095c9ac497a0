/** What a failure is called to whoever asked, wherever it came from. */
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { ContrailError, type ErrorCode, type ProblemIssue } from "../../protocol/errors.ts";
import { BlobError, type BlobErrorCode } from "../../store/blobs.ts";
import { isDiskFull, isPassingState } from "../../store/failure-codes.ts";

/** Of the way to the database. */
const ON_THE_WAY =
  /^(?:ECONN(?:REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|E(?:HOST|NET)(?:UNREACH|DOWN)|EAI_AGAIN)$/;
/** Of this process or machine. */
const NO_ROOM = /^(?:EMFILE|ENFILE|ENOMEM|EAGAIN|ENOBUFS)$/;
/** The same in the client's words: all of its connections are taken for too long, or one has broken. */
const WITHOUT_CODE =
  /^(?:timeout exceeded when trying to connect|Connection terminated|Client (?:has encountered a connection error|was closed)|Cannot use a pool after)/;

/** Whoever stores blobs on the way to something else (the files of a checkpoint) is told the same. */
const BLOB_ERRORS = {
  invalid_hash: "invalid_request",
  hash_mismatch: "hash_mismatch",
  too_large: "too_large",
  disk_full: "disk_full",
  unusable: "internal",
} as const satisfies Record<BlobErrorCode, ErrorCode>;

export function toContrailError(error: unknown): ContrailError {
  if (error instanceof ContrailError) return error;
  if (error instanceof BlobError)
    return new ContrailError(BLOB_ERRORS[error.code], error.message, { cause: error });
  if (hasZodFastifySchemaValidationErrors(error)) {
    const issues = error.validation.map(
      (issue): ProblemIssue => ({
        code: issue.keyword,
        path: `${error.validationContext ?? ""}${issue.instancePath.replaceAll("/", ".")}`,
        message: issue.message ?? "is not valid",
      }),
    );
    const first = issues[0];
    return new ContrailError(
      "invalid_request",
      `${first?.path ?? "the request"}: ${first?.message ?? "is not valid"}`,
      {
        issues,
        cause: error,
      },
    );
  }
  const { code, statusCode, message } = error as {
    code?: string;
    statusCode?: number;
    message?: string;
  };
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE" || statusCode === 413)
    return new ContrailError("too_large", message ?? "the body is too large", { cause: error });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new ContrailError("invalid_request", message ?? "the request is not valid", {
      cause: error,
    });
  if (isDiskFull(code))
    return new ContrailError("disk_full", "no room left on the disk", { cause: error });
  if (NO_ROOM.test(code ?? ""))
    return new ContrailError("unavailable", `the server has no room for it now: ${message}`, {
      cause: error,
    });
  const isAway =
    code === undefined
      ? WITHOUT_CODE.test(message ?? "")
      : isPassingState(code) || ON_THE_WAY.test(code);
  if (isAway)
    return new ContrailError("unavailable", "the database does not answer", { cause: error });
  return new ContrailError("internal", "the server made a mistake", { cause: error });
}
