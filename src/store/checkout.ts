/**
 * Writes a tree's files into a new folder, exactly: content compared with its hash while it is written, modes
 * set whatever the umask, nothing outside the folder, no link followed, never more bytes than announced.
 *
 * The folder must be new or empty, every folder in it is made by us, and files are created exclusively: so
 * whoever plants something on the way makes the checkout fail instead of being written through.
 */
import { createHash, type Hash } from "node:crypto";
import { chmod, type FileHandle, lstat, mkdir, open, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { TreeEntry } from "../protocol/runner-wire.ts";
import { blobsOf, checkTree } from "./tree.ts";

export interface CheckoutOptions {
  /** Files 0444/0555 and folders 0555, for what several tasks share. Remove it with `removeCheckout`. */
  readonly readOnly?: boolean;
  /** Of all files together. */
  readonly bytesMax?: number;
  /** Puts a file with this content and mode there by other means, where it can: whoever does answers for the content. */
  readonly place?: (entry: TreeEntry, path: string, mode: number) => Promise<boolean>;
  /** Called when a file was written, compared and closed. */
  readonly placed?: (entry: TreeEntry, path: string) => Promise<void>;
}

export interface OpenedBlob {
  readonly stream: AsyncIterable<Uint8Array>;
  /** Called when all of it was read and is what its hash says. */
  readonly matched?: () => Promise<void>;
}

/** Hands out a blob's content, of which no more than `size` bytes are wanted. */
export type OpenBlob = (hash: string, size: number) => Promise<OpenedBlob | undefined>;

export type CheckoutErrorCode =
  | "unsafe_tree"
  | "too_large"
  | "not_empty"
  | "missing_blob"
  | "damaged_blob"
  | "disk_full"
  | "failed";

export class CheckoutError extends Error {
  override name = "CheckoutError";
  readonly code: CheckoutErrorCode;
  constructor(code: CheckoutErrorCode, message: string, options?: { cause?: unknown }) {
    super(`checkout_${code}: ${message}`, options);
    this.code = code;
  }
}

const WRITTEN_AT_ONCE = 6;

/**
 * Writes `tree` into `folder`. On failure what was written is removed again.
 * @throws CheckoutError
 */
export async function checkoutTree(
  tree: readonly TreeEntry[],
  folder: string,
  openBlob: OpenBlob,
  options: CheckoutOptions = {},
): Promise<void> {
  const { readOnly = false, bytesMax = Number.MAX_SAFE_INTEGER } = options;
  const issues = checkTree(tree);
  if (issues.length > 0) {
    const shown = issues
      .slice(0, 5)
      .map((issue) => `${JSON.stringify(issue.path)} ${issue.message}`);
    const more = issues.length > 5 ? ` and ${issues.length - 5} more` : "";
    throw new CheckoutError("unsafe_tree", `${shown.join("; ")}${more}. Nothing was written.`);
  }
  const bytes = tree.reduce((sum, entry) => sum + entry.size, 0);
  if (bytes > bytesMax) {
    throw new CheckoutError(
      "too_large",
      `the tree has ${bytes} bytes, the limit is ${bytesMax}. Nothing was written.`,
    );
  }
  const made = await makeRoot(folder);
  try {
    const folders = await makeFolders(tree, folder);
    await writeAll(tree, folder, openBlob, options);
    // Deepest first: a folder that may not be written cannot be changed inside.
    if (readOnly) for (const path of [...folders.toReversed(), folder]) await chmod(path, 0o555);
  } catch (error) {
    await (made ? removeCheckout(folder) : emptyFolder(folder)).catch(() => undefined);
    throw asCheckoutError(error, folder);
  }
}

/** Deletes a checkout, a read-only one too. No error when it is not there; of a link only the link goes. */
export async function removeCheckout(folder: string): Promise<void> {
  const found = await lstat(folder).catch(() => undefined);
  if (found?.isDirectory()) await makeWritable(folder);
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

async function makeWritable(folder: string): Promise<void> {
  const entries = await chmod(folder, 0o755)
    .then(() => readdir(folder, { withFileTypes: true }))
    .catch(() => []);
  for (const entry of entries)
    if (entry.isDirectory()) await makeWritable(join(folder, entry.name));
}

async function emptyFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await removeCheckout(join(folder, name));
}

/** @returns whether the folder is ours to remove */
async function makeRoot(folder: string): Promise<boolean> {
  await mkdir(dirname(folder), { recursive: true });
  try {
    await mkdir(folder, { mode: 0o755 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw asCheckoutError(error, folder);
  }
  const there = await readdir(folder).catch((error: unknown) => {
    throw asCheckoutError(error, folder);
  });
  if (there.length === 0) return false;
  throw new CheckoutError(
    "not_empty",
    `${folder} holds ${there.length} entries already (${there[0]} …). Choose a new folder.`,
  );
}

/** @returns the folders made, parents first */
async function makeFolders(tree: readonly TreeEntry[], folder: string): Promise<string[]> {
  const made = new Set<string>();
  for (const { path } of tree) {
    // From the file upwards to what is there: a folder of many files is not walked down to again for each.
    const absent: string[] = [];
    for (
      let slash = path.lastIndexOf("/");
      slash !== -1 && !made.has(path.slice(0, slash));
      slash = path.lastIndexOf("/", slash - 1)
    )
      absent.push(path.slice(0, slash));
    for (const inside of absent.reverse()) {
      // Not recursive and not forgiving: what exists here already was put there by somebody else.
      await mkdir(join(folder, inside), { mode: 0o755 });
      made.add(inside);
    }
  }
  return [...made].map((inside) => join(folder, inside));
}

async function writeAll(
  tree: readonly TreeEntry[],
  folder: string,
  openBlob: OpenBlob,
  options: CheckoutOptions,
): Promise<void> {
  const { readOnly = false, place, placed } = options;
  let next = 0;
  let failure: { error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (
      let entry = tree[next++];
      entry !== undefined && failure === undefined;
      entry = tree[next++]
    ) {
      try {
        const path = join(folder, entry.path);
        const mode = (entry.executable ? 0o755 : 0o644) & (readOnly ? 0o555 : 0o777);
        if (await place?.(entry, path, mode)) continue;
        await writeEntry(entry, { path, mode }, openBlob);
        await placed?.(entry, path);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  // All workers have ended before anything is removed again.
  await Promise.all(Array.from({ length: WRITTEN_AT_ONCE }, worker));
  if (failure !== undefined) throw failure.error;
}

async function writeEntry(
  entry: TreeEntry,
  { path, mode }: { readonly path: string; readonly mode: number },
  openBlob: OpenBlob,
): Promise<void> {
  let file: FileHandle | undefined;
  try {
    // A file that is one blob has that blob's hash.
    const whole = entry.chunks === undefined ? undefined : createHash("sha256");
    for (const blob of blobsOf(entry)) {
      const opened = await openBlob(blob.hash, blob.size);
      if (opened === undefined) {
        throw new CheckoutError(
          "missing_blob",
          `the content of ${JSON.stringify(entry.path)} (${blob.hash}) is not stored.`,
        );
      }
      // "wx" is O_CREAT | O_EXCL, which does not follow a link either.
      file ??= await open(path, "wx", mode);
      await writeBlob({ path: entry.path, ...blob }, file, opened.stream, whole);
      await opened.matched?.();
    }
    if (whole !== undefined && whole.digest("hex") !== entry.hash)
      throw damaged(entry, "each part is as it should be, and the whole");
    await file?.chmod(mode);
  } finally {
    await file?.close();
  }
}

interface Blob {
  /** Of the file. */
  readonly path: string;
  readonly hash: string;
  readonly size: number;
}

/** @param whole of the file, where this is a part of one */
async function writeBlob(
  blob: Blob,
  file: FileHandle,
  stream: AsyncIterable<Uint8Array>,
  whole: Hash | undefined,
): Promise<void> {
  const digest = createHash("sha256");
  let size = 0;
  for await (const bytes of stream) {
    size += bytes.length;
    if (size > blob.size) break;
    digest.update(bytes);
    whole?.update(bytes);
    await file.writeFile(bytes);
  }
  if (size !== blob.size || digest.digest("hex") !== blob.hash) throw damaged(blob);
}

const damaged = ({ path, hash, size }: Blob, what = "the content"): CheckoutError =>
  new CheckoutError(
    "damaged_blob",
    `${what} of ${JSON.stringify(path)} is not what its hash ${hash} says (${size} bytes expected).`,
  );

function asCheckoutError(error: unknown, folder: string): CheckoutError {
  if (error instanceof CheckoutError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new CheckoutError(full ? "disk_full" : "failed", `cannot write ${folder}: ${message}.`, {
    cause: error,
  });
}
