/**
 * Bounds a log file that another process holds open for appending: past the limit its content moves to
 * `<file>.1` (one old one is kept) and the file is cut to nothing. Lines written during the copy are lost,
 * which is acceptable for PostgreSQL's own log and keeps us from being in the way of every line it writes.
 */
import { copyFileSync, renameSync, statSync, truncateSync } from "node:fs";

export const LOG_BYTES_MAX = 8 * 1024 * 1024;

export function boundLogFile(path: string, bytesMax = LOG_BYTES_MAX): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= bytesMax) return;
  try {
    copyFileSync(path, `${path}.next`);
    renameSync(`${path}.next`, `${path}.1`);
  } catch {
    // A full disk: cutting the file is worth more than keeping its content.
  }
  truncateSync(path, 0);
}
