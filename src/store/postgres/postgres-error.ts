/** Why the embedded PostgreSQL could not be started or kept. Always the world's failure, never a bug of ours. */
import { isDiskFull } from "../failure-codes.ts";

export type PostgresErrorCode =
  | "unsupported_platform"
  | "data_folder_unreachable"
  | "data_folder_in_use"
  | "other_major"
  | "disk_full"
  | "not_permitted"
  | "start_failed";

export class PostgresError extends Error {
  override name = "PostgresError";
  readonly code: PostgresErrorCode;
  constructor(code: PostgresErrorCode, message: string, options?: { cause?: unknown }) {
    super(`postgres_${code}: ${message}`, options);
    this.code = code;
  }
}

/** Turns a file system failure into a PostgresError that names the folder. */
export function fileSystemFailure(what: string, cause: unknown): PostgresError {
  if (cause instanceof PostgresError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (isDiskFull(code)) {
    return new PostgresError(
      "disk_full",
      `no space left while ${what} (${message}). Free some space and start again.`,
      {
        cause,
      },
    );
  }
  const permission = code === "EACCES" || code === "EPERM" || code === "EROFS";
  return new PostgresError(
    permission ? "not_permitted" : "start_failed",
    `${what} failed: ${message}.`,
    { cause },
  );
}
