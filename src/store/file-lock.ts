/**
 * A lock on a file that dies with its process: the kernel's, not a note that somebody has to clear.
 *
 * Node has no flock, but the SQLite inside Node takes a kernel lock (fcntl) for `BEGIN EXCLUSIVE`.
 * That lock is atomic, is gone the moment the holder is (kill -9 too), and is seen across pid namespaces,
 * so two containers on one volume exclude each other. Refused: pid files (a reused pid or a container
 * with the same pid 7 after each restart makes them lie), and a listening socket in the folder (taking
 * over a dead one is not atomic: two starters can unlink each other's).
 *
 * One rule for users of this file: nobody in the process that holds the lock may open the locked file by
 * other means, because closing any descriptor of a file drops the fcntl locks of that process.
 */
import { DatabaseSync } from "node:sqlite";

export interface FileLock {
  /** Lets go; a second call does nothing. */
  release(): void;
}

const SQLITE_BUSY = 5;
/** Keeps holders reachable: a collected connection would close, and with it the lock would go. */
const held = new Set<DatabaseSync>();

/**
 * Takes the lock on `path`, creating the (always empty) file when it is not there.
 * @returns undefined when somebody, in this process or another, holds it
 * @throws Error when the file cannot be created or the file system has no locks
 */
export function lockFile(path: string): FileLock | undefined {
  const connection = new DatabaseSync(path);
  try {
    connection.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    connection.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  held.add(connection);
  return {
    release() {
      if (held.delete(connection)) connection.close();
    },
  };
}
