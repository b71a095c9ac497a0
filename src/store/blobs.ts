/**
 * Content-addressed bytes: a blob's name is the SHA-256 of its content, so it never changes, equal ones are
 * stored once, and a name that exists always means whole content.
 *
 * In a folder: `ab/cdef…` (the first two digits are the subfolder), temporary files in `tmp/`. A blob is
 * written beside, flushed, renamed, and its folder flushed; only then does it exist, for `has` too. So a kill
 * or a power cut leaves either the whole blob or a temporary file that the next start removes. What a disk spoiled
 * later is found by `verify`, which takes its name from it (`ab/cdef….damaged`): left there it would keep whoever has
 * the good content from storing it.
 *
 * Only names of 64 hexadecimal digits ever reach the file system, and symbolic links planted in the folder
 * are not followed. One interface, so that S3 can stand in its place. Nothing here knows the database:
 * runner and cli use this file too.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { isBlobHash } from "../base/ids.ts";
import { FolderFlushes, syncFolder } from "./folder-flush.ts";
import { isAbandoned, thisWriter } from "./writer.ts";

export type BlobSource = Uint8Array | AsyncIterable<Uint8Array>;

export interface StoredBlob {
  readonly hash: string;
  /** Bytes. */
  readonly size: number;
  /** True when it had been stored before. */
  readonly existed: boolean;
}

export interface BlobStore {
  /**
   * Stores bytes; they are durable when this resolves. The source is read to its end, or destroyed on refusal.
   * @param options.expected the name that the sender claims; anything else is refused
   * @throws BlobError
   */
  put(source: BlobSource, options?: { expected?: string }): Promise<StoredBlob>;
  has(hash: string): Promise<boolean>;
  /** @returns those that are not stored, each once, in the order given */
  missing(hashes: readonly string[]): Promise<string[]>;
  /** Bytes. @returns undefined when it is not stored */
  size(hash: string): Promise<number | undefined>;
  /**
   * Opens a blob, or the part from byte `start` to byte `end` inclusive, for reading.
   * @returns undefined when it is not stored; `size` is always the whole blob's
   */
  open(
    hash: string,
    range?: { start: number; end: number },
  ): Promise<{ stream: Readable; size: number } | undefined>;
  /** @returns false when it was not there */
  delete(hash: string): Promise<boolean>;
  /** Reads the whole blob again and compares. A damaged one is set aside: it is not stored any more. */
  verify(hash: string): Promise<"intact" | "missing" | "damaged">;
  /** Every stored name, in no order. @param unread is told why a folder cannot be read, and does not throw: the others follow */
  list(unread?: (error: unknown) => void): AsyncIterable<string>;
  /** Removes what writers that are gone left half written. @returns how many files @throws at its end what kept one */
  tidy(): Promise<number>;
}

export type BlobErrorCode =
  | "invalid_hash"
  | "hash_mismatch"
  | "too_large"
  | "disk_full"
  | "unusable";

export class BlobError extends Error {
  override name = "BlobError";
  readonly code: BlobErrorCode;
  constructor(code: BlobErrorCode, message: string, options?: { cause?: unknown }) {
    super(`blob_${code}: ${message}`, options);
    this.code = code;
  }
}

export interface FolderBlobStoreOptions {
  /** Largest single blob; the writing of a larger one stops at the limit. */
  readonly blobBytesMax?: number;
}

const READ_BYTES = 256 * 1024;
const READ_ONLY_NO_LINKS = constants.O_RDONLY | constants.O_NOFOLLOW;

/** Opens (and makes) a blob folder and removes what killed writers left in it. @throws BlobError `unusable` */
export async function openBlobFolder(
  folder: string,
  options: FolderBlobStoreOptions = {},
): Promise<FolderBlobStore> {
  try {
    await mkdir(join(folder, "tmp"), { recursive: true, mode: 0o700 });
    await removeLeftovers(join(folder, "tmp"));
    await makeSubfolders(folder);
  } catch (cause) {
    throw new BlobError("unusable", `cannot use ${folder} for blobs: ${(cause as Error).message}`, {
      cause,
    });
  }
  return new FolderBlobStore(folder, options);
}

export class FolderBlobStore implements BlobStore {
  readonly #folder: string;
  readonly #bytesMax: number;
  /** Renamed but not yet durable in their folder; they do not exist yet for anybody who asks. */
  readonly #settling = new Set<string>();
  /** Who gives a blob its name just now or takes it away, or waits to. */
  readonly #naming = new Map<string, Promise<void>>();
  readonly #flushes = new FolderFlushes();
  #nextTemporary = 1;

  constructor(folder: string, { blobBytesMax = Number.MAX_SAFE_INTEGER }: FolderBlobStoreOptions) {
    this.#folder = folder;
    this.#bytesMax = blobBytesMax;
  }

  async put(source: BlobSource, { expected }: { expected?: string } = {}): Promise<StoredBlob> {
    if (expected !== undefined) checkName(expected);
    // Bytes at hand are not written again where as many are stored; of a stream the end alone tells how many they are.
    const size = source instanceof Uint8Array ? source.length : undefined;
    if (expected !== undefined && size !== undefined && (await this.size(expected)) === size) {
      return { ...(await this.#hashOnly(source, expected)), existed: true };
    }
    const temporary = join(this.#folder, "tmp", `${thisWriter}-${this.#nextTemporary++}`);
    try {
      const { hash, size } = await this.#write(source, temporary, expected);
      const existed = (await this.size(hash)) === size;
      if (existed) await unlink(temporary);
      else await this.#inTurn(hash, () => this.#publish(temporary, { hash, size }));
      return { hash, size, existed };
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw asBlobError(error, `storing a blob in ${this.#folder}`);
    }
  }

  async has(hash: string): Promise<boolean> {
    return (await this.size(hash)) !== undefined;
  }

  async missing(hashes: readonly string[]): Promise<string[]> {
    const unique = [...new Set(hashes)];
    const absent: string[] = [];
    // Each subfolder is looked at once: of a hundred thousand names that is a third of the work.
    const folders = new Map<string, Promise<boolean>>();
    const batch = 64;
    for (let at = 0; at < unique.length; at += batch) {
      const part = unique.slice(at, at + batch);
      const sizes = await Promise.all(part.map((hash) => this.size(hash, folders)));
      absent.push(...part.filter((_, index) => sizes[index] === undefined));
    }
    return absent;
  }

  async size(hash: string, folders = new Map<string, Promise<boolean>>()) {
    checkName(hash);
    if (this.#settling.has(hash)) return undefined;
    const [path, folder] = [this.#path(hash), join(this.#folder, hash.slice(0, 2))];
    const isFolder = folders.get(folder) ?? lstat(folder).then((found) => found.isDirectory());
    folders.set(folder, isFolder);
    try {
      const [isOurs, file] = await Promise.all([isFolder, lstat(path)]);
      // It may have got its name since, which is not durable yet.
      if (this.#settling.has(hash)) return undefined;
      return isOurs && file.isFile() ? file.size : undefined;
    } catch (error) {
      return undefinedWhenAbsent(error);
    }
  }

  async open(
    hash: string,
    range?: { start: number; end: number },
  ): Promise<{ stream: Readable; size: number } | undefined> {
    const size = await this.size(hash);
    const file = size === undefined ? undefined : await this.#openFile(hash);
    if (size === undefined || file === undefined) return undefined;
    // The stream closes the file, whether it is read to the end or destroyed.
    return { stream: file.createReadStream({ highWaterMark: READ_BYTES, ...range }), size };
  }

  async delete(hash: string): Promise<boolean> {
    checkName(hash);
    await rm(this.#aside(hash), { force: true });
    if ((await this.size(hash)) === undefined) return false;
    try {
      await unlink(this.#path(hash));
      return true;
    } catch (error) {
      return undefinedWhenAbsent(error) ?? false;
    }
  }

  async verify(hash: string): Promise<"intact" | "missing" | "damaged"> {
    const file = (await this.has(hash)) ? await this.#openFile(hash) : undefined;
    if (file === undefined) return "missing";
    try {
      const digest = createHash("sha256");
      const stream = file.createReadStream({ highWaterMark: READ_BYTES, autoClose: false });
      for await (const chunk of stream) digest.update(chunk as Buffer);
      if (digest.digest("hex") === hash) return "intact";
      await this.#inTurn(hash, () => this.#setAside(hash, file));
      return "damaged";
    } finally {
      await file.close();
    }
  }

  async *list(unread?: (error: unknown) => void): AsyncIterable<string> {
    const folders = (await readdir(this.#folder))
      .filter((name) => /^[0-9a-f]{2}$/.test(name))
      .sort();
    for (const folder of folders) {
      try {
        for (const name of await readdir(join(this.#folder, folder)))
          if (isBlobHash(folder + name) && (await this.has(folder + name))) yield folder + name;
      } catch (error) {
        if (unread === undefined) throw error;
        unread(error);
      }
    }
  }

  async tidy(): Promise<number> {
    return removeLeftovers(join(this.#folder, "tmp"));
  }

  async #openFile(hash: string): Promise<FileHandle | undefined> {
    try {
      return await open(this.#path(hash), READ_ONLY_NO_LINKS);
    } catch (error) {
      return undefinedWhenAbsent(error);
    }
  }

  /** @param read what was read under this name, still open: what was stored in its place since is another file, and stays */
  async #setAside(hash: string, read: FileHandle): Promise<void> {
    const path = this.#path(hash);
    try {
      const [now, then] = [await lstat(path, { bigint: true }), await read.stat({ bigint: true })];
      if (now.ino !== then.ino) return;
      await rename(path, this.#aside(hash));
    } catch (error) {
      return undefinedWhenAbsent(error);
    }
    await this.#flushes.flush(join(path, ".."));
  }

  /** Where it is kept until it is stored anew or deleted: a large file of which one bit is wrong may be worth something. */
  #aside(hash: string): string {
    return `${this.#path(hash)}.damaged`;
  }

  #path(hash: string): string {
    return join(this.#folder, hash.slice(0, 2), hash.slice(2));
  }

  async #write(
    source: BlobSource,
    path: string,
    expected?: string,
  ): Promise<{ hash: string; size: number }> {
    const file = await open(path, "wx", 0o600);
    try {
      const result = await this.#consume(source, expected, (bytes) => writeAll(file, bytes));
      await file.sync();
      return result;
    } finally {
      await file.close();
    }
  }

  #hashOnly(source: BlobSource, expected: string): Promise<{ hash: string; size: number }> {
    return this.#consume(source, expected, async () => undefined);
  }

  async #consume(
    source: BlobSource,
    expected: string | undefined,
    each: (bytes: Uint8Array) => Promise<void>,
  ): Promise<{ hash: string; size: number }> {
    const digest = createHash("sha256");
    let size = 0;
    for await (const bytes of source instanceof Uint8Array ? [source] : source) {
      size += bytes.length;
      if (size > this.#bytesMax) {
        throw new BlobError(
          "too_large",
          `a blob may have ${this.#bytesMax} bytes, this one has more. Split the file.`,
        );
      }
      digest.update(bytes);
      await each(bytes);
    }
    const hash = digest.digest("hex");
    if (expected !== undefined && hash !== expected) {
      throw new BlobError(
        "hash_mismatch",
        `the content received (${size} bytes) has SHA-256 ${hash}, but was announced as ${expected}. ` +
          "It changed while it was read or was damaged on the way: send it again.",
      );
    }
    return { hash, size };
  }

  /**
   * Writers of one blob take turns, so that the second finds what the first has stored: were it held back for the
   * second's sake, it would vanish for a moment for whoever was told already that it is stored.
   */
  async #inTurn(hash: string, work: () => Promise<void>): Promise<void> {
    const before = this.#naming.get(hash) ?? Promise.resolve();
    const own = before.catch(() => undefined).then(work);
    this.#naming.set(hash, own);
    try {
      await own;
    } finally {
      if (this.#naming.get(hash) === own) this.#naming.delete(hash);
    }
  }

  /** Moves a complete, flushed file to its name and makes the name durable. */
  async #publish(
    temporary: string,
    { hash, size }: { readonly hash: string; readonly size: number },
  ): Promise<void> {
    const path = this.#path(hash);
    const folder = join(path, "..");
    if (!(await lstat(folder)).isDirectory())
      throw new BlobError(
        "unusable",
        `${folder} is no folder but something put in its place; nothing was stored. Remove it and start again.`,
      );
    if ((await this.size(hash)) === size) return unlink(temporary);
    this.#settling.add(hash);
    try {
      await rename(temporary, path);
      await this.#flushes.flush(folder);
    } finally {
      this.#settling.delete(hash);
    }
    await rm(this.#aside(hash), { force: true });
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at);
    at += bytesWritten;
  }
}

/** All 256 at once: a subfolder made on the way would have to be flushed before any blob in it counts. */
async function makeSubfolders(folder: string): Promise<void> {
  const there = new Set(await readdir(folder));
  const wanted = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
  const absent = wanted.filter((name) => !there.has(name));
  for (const name of absent) await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
  if (absent.length > 0) await syncFolder(folder);
}

/** Removes temporary files whose writers are gone. */
async function removeLeftovers(folder: string): Promise<number> {
  const left = (await readdir(folder)).filter(isAbandoned);
  const kept: unknown[] = [];
  const keep = (error: unknown): void => void kept.push(error);
  for (const name of left) await unlink(join(folder, name)).catch(undefinedWhenAbsent).catch(keep);
  if (kept.length > 0) throw kept[0];
  return left.length;
}

function checkName(hash: string): void {
  if (isBlobHash(hash)) return;
  const shown = JSON.stringify(String(hash).slice(0, 80));
  throw new BlobError(
    "invalid_hash",
    `${shown} is not a blob's name; those are 64 lower-case hexadecimal digits.`,
  );
}

/** ELOOP is O_NOFOLLOW's word for a link: what is behind it is not ours. */
function undefinedWhenAbsent(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return undefined;
  throw error;
}

function asBlobError(error: unknown, what: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  return new BlobError(
    "disk_full",
    `no space left while ${what} (${message}). Free some space; nothing was stored.`,
    {
      cause: error,
    },
  );
}
