/**
 * Where PostgreSQL's Unix socket lies. The kernel cuts socket paths at about 107 bytes (104 on macOS), and
 * PostgreSQL reads a comma in the folder's name as a list, so a data folder with a long or odd path gets a
 * short folder under the temporary one, named by a hash of the path. That place is shared with other users:
 * a folder that somebody else put there first is refused.
 */
import { createHash } from "node:crypto";
import { chmodSync, chownSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OperatingUser } from "./operating-user.ts";
import { PostgresError } from "./postgres-error.ts";

const PATH_BYTES_MAX = 100;
const socketName = ".s.PGSQL.5432";

export interface SocketFolder {
  readonly path: string;
  /** Deletes the folder when it lies outside the data folder. */
  remove(): void;
}

export function socketFolder(folder: string, user: OperatingUser): SocketFolder {
  const inside = join(folder, "socket");
  if (fits(inside)) {
    mkdirSync(inside, { recursive: true });
    own(inside, user);
    return { path: inside, remove() {} };
  }
  const hash = createHash("sha256").update(folder).digest("hex").slice(0, 16);
  const outside = [tmpdir(), "/tmp"]
    .map((parent) => join(parent, `contrail-pg-${hash}`))
    .find(fits);
  if (outside === undefined) {
    throw new PostgresError(
      "start_failed",
      `neither ${inside} nor a folder under ${tmpdir()} is short enough for a Unix socket (${PATH_BYTES_MAX} bytes). ` +
        "Choose a data folder with a shorter path, or set TMPDIR to a short one.",
    );
  }
  try {
    mkdirSync(outside, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const { uid } = lstatSync(outside);
    if (!lstatSync(outside).isDirectory() || (uid !== user.uid && uid !== process.getuid?.())) {
      throw new PostgresError(
        "not_permitted",
        `${outside} is needed for PostgreSQL's socket but belongs to user id ${uid} or is not a folder. ` +
          "Remove it, set TMPDIR to a folder of your own, or choose a data folder with a shorter path.",
      );
    }
  }
  own(outside, user);
  return { path: outside, remove: () => rmSync(outside, { recursive: true, force: true }) };
}

function fits(path: string): boolean {
  return (
    Buffer.byteLength(join(path, socketName)) <= PATH_BYTES_MAX &&
    /^[A-Za-z0-9/._+@:-]+$/.test(path)
  );
}

function own(path: string, user: OperatingUser): void {
  if (user.differs) chownSync(path, user.uid, user.gid);
  chmodSync(path, 0o700);
}
