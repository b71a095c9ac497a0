/**
 * Data that stays where it is: the list that stands for it, and whether a file is still what the list says.
 *
 * A file whose size and time of last writing are as they were is taken for unchanged, which costs microseconds; one
 * with another time is read, so that a copy or a `touch` harms nobody. Whoever has to be certain reads all (`full`).
 */
import { createHash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import type { DatasetDifference } from "../protocol/api/dataset.ts";
import { type DataReference, dataReference, type ReferencedFile } from "../protocol/runner-wire.ts";
import type { FileHasher } from "./hash-file.ts";
import { checkTree, contentHash, type SnapshotIssue } from "./tree.ts";

const S3_PLACE = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/.*)?$/;
const NO_HASH = "0".repeat(64);

/** @returns the bytes that a reference is stored as, and their SHA-256 */
export function canonicalReference(reference: DataReference): { bytes: Uint8Array; hash: string } {
  const files = reference.files
    .map(({ path, size, hash, mtimeNs, etag }) => ({ path, size, hash, mtimeNs, etag }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const { kind, place, uri } = reference;
  const bytes = Buffer.from(JSON.stringify({ kind, place, uri, files }));
  return { bytes, hash: createHash("sha256").update(bytes).digest("hex") };
}

/** The name of what is in the files: that of the same files when they are stored, where their hashes are known. */
export function referenceContent({ files }: Pick<DataReference, "files">): string {
  if (files.every(({ hash }) => hash !== null))
    return contentHash(
      files.map(({ path, size, hash }) => ({ path, size, hash: hash ?? "", executable: false })),
    );
  const named = files.map(({ path, size, hash, etag }) => [path, size, hash ?? etag]);
  return createHash("sha256")
    .update(JSON.stringify(named.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1))))
    .digest("hex");
}

/** @returns the reasons not to take this reference */
export function checkReference(reference: DataReference): SnapshotIssue[] {
  const { kind, place, uri, files } = reference;
  if (kind === "directory" && !isAbsolute(place))
    return [{ path: ".", message: `the directory ${place} is not an absolute path` }];
  if (kind === "s3" && !S3_PLACE.test(place))
    return [{ path: ".", message: `${place} is not of the form s3://bucket/prefix` }];
  const unnamed = files.find(({ hash, etag }) => (kind === "s3" ? etag : hash) === null);
  if (unnamed !== undefined)
    return [{ path: unnamed.path, message: "has nothing that would tell whether it changed" }];
  // Keys that are never laid out as files may be whatever S3 allows.
  if (uri) return [];
  return checkTree(
    files.map(({ path, size }) => ({ path, size, hash: NO_HASH, executable: false })),
  );
}

/** @returns undefined where these bytes are no reference */
export function parseReference(bytes: Uint8Array): DataReference | undefined {
  try {
    const parsed = dataReference.safeParse(JSON.parse(Buffer.from(bytes).toString("utf8")));
    return parsed.success && checkReference(parsed.data).length === 0 ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** @returns why the directory cannot be looked at from here; null where it can */
export async function hiddenPlace(place: string): Promise<string | null> {
  try {
    return (await stat(place)).isDirectory() ? null : `${place} is not a directory`;
  } catch (error) {
    return `${place} is not to be seen here: ${(error as Error).message}`;
  }
}

/**
 * Looks at one file of a directory.
 * @param full read it whatever its time says
 * @returns how it differs; where it does not, the time of last writing under which it was found so
 */
export async function checkReferencedFile(
  place: string,
  file: ReferencedFile,
  { full, hasher }: { readonly full: boolean; readonly hasher: FileHasher },
): Promise<
  | { readonly difference: DatasetDifference }
  | { readonly difference: null; readonly mtimeNs: string }
> {
  const { path, size, hash: expected } = file;
  const differs = (
    more: Pick<DatasetDifference, "code" | "message"> & { readonly found?: string },
  ) => ({ difference: { path, expected, found: null, ...more } });
  try {
    const source = await realpath(join(place, path));
    const now = await stat(source, { bigint: true });
    const sameSize = now.size === BigInt(size);
    if (sameSize && !full && String(now.mtimeNs) === file.mtimeNs)
      return { difference: null, mtimeNs: file.mtimeNs };
    const read = await hasher.hash({ path, source, size: Number(now.size) });
    if (typeof read === "string") return differs({ code: "unreadable", message: read });
    if (read.entry.hash === expected)
      return { difference: null, mtimeNs: String(read.stats.mtimeNs) };
    const grown = sameSize ? "" : `, ${now.size} bytes instead of ${size}`;
    const message = `has SHA-256 ${read.entry.hash} and was registered with ${expected}${grown}`;
    return differs({ code: "changed", message, found: read.entry.hash });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR")
      return differs({ code: "missing", message: `is no longer in ${place}` });
    return differs({ code: "unreadable", message: `cannot be read: ${message}` });
  }
}
