/**
 * Checkpoints that were taken over and are not at the server yet, on disk: `kept/<number>` is the folder as the
 * training code wrote it, `kept/<number>.json` says what it is.
 */
import {
  chmod,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
} from "node:fs/promises";
import { basename, join, sep } from "node:path";
import { type Content, contentOf } from "../base/content.ts";
import type { JsonObject } from "../base/json.ts";
import { writePrivate } from "../engines/runner-record.ts";
import type { Tree } from "../protocol/runner-wire.ts";
import { filePart } from "../store/file-part.ts";
import { removeCheckout, scanFolder } from "../store/snapshot.ts";

/** Of a list of files, which travels with what is told of the checkpoint: the server takes 64 MiB, a spool too. */
const LIST_BYTES_MAX = 60 * 1024 * 1024;

export interface KeptCheckpoint {
  readonly step: number;
  readonly metadata: JsonObject;
  readonly atMs: number;
}

/** A folder as it is to be sent: its list of files is a blob, too, under `hash`. */
export interface ScannedCheckpoint {
  readonly tree: Tree;
  readonly hash: string;
  /** @param hash of a file, or of the list */
  blob(hash: string): Content;
}

export interface KeptFiles {
  open(): Promise<void>;
  /** Why the folder cannot be a checkpoint, or null. */
  fault(path: string): Promise<string | null>;
  /** Moves the folder here. @throws when that fails; then nothing is left of it here */
  take(number: number, checkpoint: KeptCheckpoint, path: string): Promise<void>;
  /** Removes a folder that is not kept, unless it is none of ours: its program has let go of it. */
  discard(path: string): Promise<void>;
  /** All numbers that are taken, in order; without a checkpoint where there is none to be kept. */
  found(): Promise<{ readonly number: number; readonly checkpoint: KeptCheckpoint | undefined }[]>;
  scan(number: number): Promise<ScannedCheckpoint>;
  drop(number: number): Promise<void>;
}

export class KeptFolder implements KeptFiles {
  readonly #checkpoints: string;
  readonly #kept: string;
  readonly #foreign: boolean;
  readonly #listBytesMax: number;

  /**
   * @param folder the allocation's; @param checkpoints where training code makes its folders
   * @param foreign the program runs as another user, who must not get by us what that user may not have: it may
   *   replace a folder by a link at any moment
   */
  constructor(folder: string, checkpoints: string, foreign = false, listBytesMax = LIST_BYTES_MAX) {
    this.#checkpoints = checkpoints;
    this.#kept = join(folder, "kept");
    this.#foreign = foreign;
    this.#listBytesMax = listBytesMax;
  }

  async open(): Promise<void> {
    await mkdir(this.#checkpoints, { recursive: true });
    await mkdir(this.#kept, { recursive: true });
  }

  async fault(path: string): Promise<string | null> {
    try {
      const [root, found] = [await realpath(this.#checkpoints), await lstat(path)];
      if (!found.isDirectory())
        return `${path} is not a folder. Save the files of a checkpoint into a folder of its own`;
      if (!(await realpath(path)).startsWith(root + sep))
        return `${path} does not lie below ${this.#checkpoints}. Make the folder there (the helper's save function is given one)`;
      if (this.#foreign && path !== join(this.#checkpoints, basename(path)))
        return `${path} does not lie directly in ${this.#checkpoints}, as a folder of a container has to`;
      return null;
    } catch (error) {
      return `${path} cannot be read: ${(error as Error).message}`;
    }
  }

  async take(number: number, checkpoint: KeptCheckpoint, path: string): Promise<void> {
    try {
      writePrivate(this.#note(number), JSON.stringify(checkpoint));
      await rename(path, this.#files(number));
      if (this.#foreign) await takeAway(this.#files(number));
    } catch (error) {
      await rm(this.#note(number), { force: true });
      await rm(this.#files(number), { recursive: true, force: true });
      throw error;
    }
  }

  async discard(path: string): Promise<void> {
    if ((await this.fault(path)) !== null) return;
    // Moved first, so that no program can put something else in its place.
    const to = join(this.#kept, "refused");
    await removeCheckout(to);
    await rename(path, to);
    if (this.#foreign) await takeAway(to);
    await removeCheckout(to);
  }

  async found() {
    const names = await readdir(this.#kept);
    const numbered = names.flatMap((name) => /^(\d+)(?:\.json)?$/.exec(name)?.[1] ?? []);
    const numbers = [...new Set(numbered.map(Number))].sort((a, b) => a - b);
    const found: { number: number; checkpoint: KeptCheckpoint | undefined }[] = [];
    for (const number of numbers) {
      // A note without its folder is from a death before the rename: the training code never heard "kept". A folder
      // without its note was done with, and could not be removed.
      const checkpoint = !names.includes(String(number))
        ? undefined
        : await readFile(this.#note(number), "utf8").then(
            (text) => JSON.parse(text) as KeptCheckpoint,
            () => undefined,
          );
      found.push({ number, checkpoint });
    }
    return found;
  }

  async scan(number: number): Promise<ScannedCheckpoint> {
    const limits = { bytesMax: Number.MAX_SAFE_INTEGER, filesMax: 100_000 };
    const options = { ignoreFile: null, ignore: [], limits };
    const scanned = await scanFolder(this.#files(number), options);
    if (!scanned.ok) {
      const issues = scanned.issues.slice(0, 3).map(({ path, message }) => `${path} ${message}`);
      throw new Error(issues.join("; "));
    }
    const { tree, hash: name, treeBytes, sourceOf } = scanned.folder;
    if (treeBytes.length > this.#listBytesMax)
      throw new Error(
        `the list of its ${tree.length} files has ${treeBytes.length} bytes, the limit is ${this.#listBytesMax}. Save fewer files, or give them shorter names`,
      );
    const entries = new Map(tree.map((entry) => [entry.hash, entry]));
    return {
      tree,
      hash: name,
      blob: (hash) => {
        const entry = entries.get(hash);
        if (entry === undefined) return contentOf(treeBytes);
        return filePart({ path: sourceOf(entry.path), size: entry.size });
      },
    };
  }

  async drop(number: number): Promise<void> {
    await rm(this.#note(number), { force: true });
    await removeCheckout(this.#files(number));
  }

  #files(number: number): string {
    return join(this.#kept, String(number));
  }

  #note(number: number): string {
    return join(this.#kept, `${number}.json`);
  }
}

/**
 * Makes a folder ours, from the top: what lies in a folder that is ours already can be replaced by nobody else, so each
 * thing that is looked at is the thing that is changed. A program that still stands in it can do no more than write
 * into files that it has open. @throws where it is no folder
 */
async function takeAway(path: string): Promise<void> {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  await lchown(path, uid, gid);
  if (!(await lstat(path)).isDirectory()) throw new Error(`${path} is not a folder any more`);
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) await takeAway(inner);
    else await lchown(inner, uid, gid);
  }
}
