/**
 * The list of files that a snapshot is: its name, and what makes it safe to unpack.
 *
 * A tree's name is the SHA-256 of its canonical JSON (entries in byte order of path, keys in alphabetical
 * order, no spaces), so the same files have the same name on every machine. A tree may come from anybody
 * who can talk to the server; `checkTree` refuses whatever could write outside its folder or mean two
 * different things on two file systems. Checking names beats trusting an archive format: there are no links,
 * devices or modes here that could be abused (the libraries for those were broken that way repeatedly).
 */
import { createHash } from "node:crypto";
import { isBlobHash } from "../base/ids.ts";
import type { Tree, TreeEntry } from "../protocol/runner-wire.ts";

export interface SnapshotIssue {
  /** The file or folder, relative; "." is the whole. */
  readonly path: string;
  readonly message: string;
}

export const TREE_ENTRIES_MAX = 100_000;
const PATH_BYTES_MAX = 4096;
const NAME_BYTES_MAX = 255;

/** Byte order of UTF-8, which is not the order of JavaScript strings beyond U+FFFF. */
export function sortTree(entries: readonly TreeEntry[]): Tree {
  return entries
    .map((entry) => ({ entry, key: Buffer.from(entry.path) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ entry }) => entry);
}

/** @returns the bytes that a tree is stored as, and their SHA-256, which is its name */
export function canonicalTree(tree: readonly TreeEntry[]): { bytes: Uint8Array; hash: string } {
  const entries = sortTree(tree).map(({ executable, hash, path, size }) => ({
    executable,
    hash,
    path,
    size,
  }));
  const bytes = Buffer.from(JSON.stringify(entries));
  return { bytes, hash: createHash("sha256").update(bytes).digest("hex") };
}

/** @returns every reason not to unpack this tree; none when it is safe */
export function checkTree(tree: readonly TreeEntry[]): SnapshotIssue[] {
  if (tree.length > TREE_ENTRIES_MAX) {
    return [
      { path: ".", message: `${tree.length} files; a snapshot holds ${TREE_ENTRIES_MAX} at most` },
    ];
  }
  const issues: SnapshotIssue[] = [];
  for (const entry of tree) {
    const fault = pathFault(entry.path) ?? contentFault(entry);
    if (fault !== undefined) issues.push({ path: entry.path, message: fault });
  }
  return [...issues, ...collisions(tree)];
}

/** @returns what is wrong with a path by itself */
export function pathFault(path: string): string | undefined {
  if (path === "") return "the path is empty";
  if (path.includes("\0")) return "the path contains a NUL character";
  if (path.startsWith("/")) return "the path is absolute";
  if (path.includes("\\"))
    return "the path contains a backslash, which other systems read as a folder";
  if (!path.isWellFormed()) return "the path is not valid Unicode";
  if (Buffer.byteLength(path) > PATH_BYTES_MAX)
    return `the path is longer than ${PATH_BYTES_MAX} bytes`;
  for (const name of path.split("/")) {
    if (name === "") return "the path contains an empty name (// or a trailing /)";
    if (name === "." || name === "..") return `the path contains "${name}"`;
    if (Buffer.byteLength(name) > NAME_BYTES_MAX)
      return `a name in the path is longer than ${NAME_BYTES_MAX} bytes`;
  }
  return undefined;
}

function contentFault({ hash, size }: TreeEntry): string | undefined {
  if (!isBlobHash(hash)) return "its hash is not 64 lower-case hexadecimal digits";
  if (!Number.isSafeInteger(size) || size < 0) return `its size is ${size}`;
  return undefined;
}

/** Same path twice, paths that differ only in case or Unicode form, and files that are folders of other files. */
function collisions(tree: readonly TreeEntry[]): SnapshotIssue[] {
  const issues: SnapshotIssue[] = [];
  const seen = new Map<string, { path: string; isFolder: boolean }>();
  for (const { path } of tree) {
    const names = path.split("/");
    for (let depth = 1; depth <= names.length; depth++) {
      const prefix = names.slice(0, depth).join("/");
      const isFolder = depth < names.length;
      const folded = fold(prefix);
      const earlier = seen.get(folded);
      if (earlier === undefined) {
        seen.set(folded, { path: prefix, isFolder });
        continue;
      }
      if (isFolder && earlier.isFolder && earlier.path === prefix) continue;
      const message =
        earlier.path !== prefix
          ? `differs from ${JSON.stringify(earlier.path)} only in upper and lower case or Unicode form`
          : isFolder || earlier.isFolder
            ? `${JSON.stringify(prefix)} is both a file and a folder`
            : "is listed twice";
      issues.push({ path, message });
      break;
    }
  }
  return issues;
}

/** What a case-insensitive, normalizing file system takes for the same name. */
const fold = (path: string): string =>
  path.normalize("NFD").toLowerCase().toUpperCase().normalize("NFD");
