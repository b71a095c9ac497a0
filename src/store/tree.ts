/**
 * The list of files that a snapshot is: its name, and what makes it safe to unpack.
 *
 * A tree's name is the SHA-256 of its canonical JSON (entries in byte order of path, keys in alphabetical
 * order, no spaces), so the same files have the same name on every machine. A tree may come from anybody
 * who can talk to the server; `checkTree` refuses whatever could write outside its folder or mean two
 * different things on two file systems. Checking names beats trusting an archive format: there are no links,
 * devices or modes here that could be abused (the libraries for those were broken that way repeatedly).
 */
import { hash } from "node:crypto";
import { isBlobHash } from "../base/ids.ts";
import type { Tree, TreeChunk, TreeEntry } from "../protocol/runner-wire.ts";

export interface SnapshotIssue {
  /** The file or folder, relative; "." is the whole. */
  readonly path: string;
  readonly message: string;
}

export const TREE_ENTRIES_MAX = 100_000;
/** Of all files together: as many as a request of 64 MiB holds, and 2 TiB of data. */
export const TREE_CHUNKS_MAX = 700_000;
/** Counted over all files: without a limit a few thousand deep paths would be millions of folders to make. */
const FOLDERS_MAX = 100_000;
/** Deeper than any real tree, and what keeps the work below in proportion to the tree's size. */
const DEPTH_MAX = 128;
/** Beyond these nobody reads on, and an answer should not be larger than what it answers. */
const ISSUES_MAX = 100;
const PATH_BYTES_MAX = 4096;
const NAME_BYTES_MAX = 255;

/** Byte order of UTF-8, which is not the order of JavaScript strings beyond U+FFFF. */
export function sortTree(entries: readonly TreeEntry[]): Tree {
  return entries
    .map((entry) => ({ entry, key: Buffer.from(entry.path) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ entry }) => entry);
}

/** What an entry's content is stored as: one blob, or one for each part. */
export const blobsOf = ({ hash, size, chunks }: TreeEntry): readonly TreeChunk[] =>
  chunks ?? [{ hash, size }];

/** @returns the bytes that a tree is stored as, and their SHA-256, which is its name */
export function canonicalTree(tree: readonly TreeEntry[]): { bytes: Uint8Array; hash: string } {
  const entries = sortTree(tree).map(({ chunks, executable, hash, path, size }) => ({
    ...(chunks === undefined
      ? {}
      : { chunks: chunks.map((chunk) => ({ hash: chunk.hash, size: chunk.size })) }),
    executable,
    hash,
    path,
    size,
  }));
  const bytes = Buffer.from(JSON.stringify(entries));
  return { bytes, hash: hash("sha256", bytes) };
}

/** The name of the files as they are, however they are cut for storing. */
export const contentHash = (tree: readonly TreeEntry[]): string =>
  canonicalTree(tree.map(({ executable, hash, path, size }) => ({ executable, hash, path, size })))
    .hash;

/** @returns the reasons not to unpack this tree, the first hundred of them; none when it is safe */
export function checkTree(tree: readonly TreeEntry[]): SnapshotIssue[] {
  if (tree.length > TREE_ENTRIES_MAX) {
    return [
      { path: ".", message: `${tree.length} files; a snapshot holds ${TREE_ENTRIES_MAX} at most` },
    ];
  }
  // A list from a server goes through no schema.
  if (tree.some(({ path }) => typeof path !== "string"))
    return [{ path: ".", message: "one of the files has no path" }];
  const chunks = tree.reduce((sum, entry) => sum + (entry.chunks?.length ?? 0), 0);
  if (chunks > TREE_CHUNKS_MAX) {
    const message = `its files are cut into ${chunks} parts; a snapshot holds ${TREE_CHUNKS_MAX} at most`;
    return [{ path: ".", message }];
  }
  const issues: SnapshotIssue[] = [];
  for (const entry of tree) {
    const fault = pathFault(entry.path) ?? contentFault(entry);
    if (fault !== undefined) issues.push({ path: entry.path, message: fault });
    if (issues.length >= ISSUES_MAX) return issues;
  }
  return [...issues, ...collisions(tree, ISSUES_MAX - issues.length)];
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
  const names = path.split("/");
  if (names.length > DEPTH_MAX)
    return `the path has ${names.length} names one below the other; the limit is ${DEPTH_MAX}`;
  for (const name of names) {
    if (name === "") return "the path contains an empty name (// or a trailing /)";
    if (name === "." || name === "..") return `the path contains "${name}"`;
    if (Buffer.byteLength(name) > NAME_BYTES_MAX)
      return `a name in the path is longer than ${NAME_BYTES_MAX} bytes`;
  }
  return undefined;
}

function contentFault({ hash, size, chunks }: TreeEntry): string | undefined {
  if (!isBlobHash(hash)) return "its hash is not 64 lower-case hexadecimal digits";
  if (!Number.isSafeInteger(size) || size < 0) return `its size is ${size}`;
  if (chunks === undefined) return undefined;
  if (!Array.isArray(chunks) || chunks.length === 0) return "its list of parts is empty";
  let sum = 0;
  for (const [index, chunk] of chunks.entries()) {
    if (!isBlobHash(chunk?.hash))
      return `the hash of its part ${index} is not 64 lower-case hexadecimal digits`;
    // An empty part would be one that costs nothing, a million times.
    if (!Number.isSafeInteger(chunk.size) || chunk.size <= 0)
      return `the size of its part ${index} is ${chunk.size}`;
    sum += chunk.size;
  }
  return sum === size ? undefined : `its parts have ${sum} bytes together, and its size is ${size}`;
}

/** A name as it was first written, and what lies below it where it is a folder. */
interface Seen {
  readonly name: string;
  readonly below: Map<string, Seen> | null;
}

/** @returns of these paths those that cannot lie beside the ones before them in a snapshot */
export const clashingPaths = (paths: readonly string[]): string[] =>
  collisions(
    paths.map((path) => ({ path })),
    Number.POSITIVE_INFINITY,
  ).flatMap(({ path }) => (path === "." ? [] : path));

/**
 * Same path twice, paths that differ only in case or Unicode form, and files that are folders of other files. Name by
 * name down a tree, so that no part of a path is looked at twice.
 */
function collisions(tree: readonly Pick<TreeEntry, "path">[], issuesMax: number): SnapshotIssue[] {
  const issues: SnapshotIssue[] = [];
  const root = new Map<string, Seen>();
  let folders = 0;
  for (const { path } of tree) {
    if (issues.length >= issuesMax) break;
    const names = path.split("/");
    let level = root;
    for (const [depth, name] of names.entries()) {
      const isFolder = depth < names.length - 1;
      const folded = fold(name);
      const earlier = level.get(folded);
      if (earlier === undefined) {
        const below = isFolder ? new Map<string, Seen>() : null;
        level.set(folded, { name, below });
        if (below === null) continue;
        folders += 1;
        if (folders > FOLDERS_MAX) {
          const message = `more than ${FOLDERS_MAX} folders; a snapshot holds ${FOLDERS_MAX} at most`;
          return [...issues, { path: ".", message }];
        }
        level = below;
        continue;
      }
      const message = collision(names.slice(0, depth), { earlier, name, isFolder });
      if (message === undefined && earlier.below !== null) {
        level = earlier.below;
        continue;
      }
      if (message !== undefined) issues.push({ path, message });
      break;
    }
  }
  return issues;
}

/** @returns undefined where both are the same folder */
function collision(
  above: readonly string[],
  { earlier, name, isFolder }: { earlier: Seen; name: string; isFolder: boolean },
): string | undefined {
  const full = (last: string) => JSON.stringify([...above, last].join("/"));
  if (earlier.name !== name)
    return `differs from ${full(earlier.name)} only in upper and lower case or Unicode form`;
  if (isFolder !== (earlier.below !== null)) return `${full(name)} is both a file and a folder`;
  return isFolder ? undefined : "is listed twice";
}

/** What a case-insensitive, normalizing file system takes for the same name. */
const fold = (name: string): string =>
  name.normalize("NFD").toLowerCase().toUpperCase().normalize("NFD");
