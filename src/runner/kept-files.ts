/**
 * Checkpoints that were taken over and are not at the server yet, on disk: `kept/<number>` is the folder as the
 * training code wrote it, `kept/<number>.json` says what it is.
 */
import { openAsBlob } from "node:fs";
import { lstat, mkdir, readdir, readFile, realpath, rename, rm } from "node:fs/promises";
import { join, sep } from "node:path";
import type { JsonObject } from "../base/json.ts";
import { writePrivate } from "../engines/runner-record.ts";
import type { Tree } from "../protocol/runner-wire.ts";
import { removeCheckout, scanFolder } from "../store/snapshot.ts";

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
  blob(hash: string): Promise<Blob>;
}

export interface KeptFiles {
  open(): Promise<void>;
  /** Why the folder cannot be a checkpoint, or null. */
  fault(path: string): Promise<string | null>;
  /** Moves the folder here. @throws when that fails; then nothing is left of it here */
  take(number: number, checkpoint: KeptCheckpoint, path: string): Promise<void>;
  /** In order of number; those whose folder was never moved are left out. */
  found(): Promise<{ readonly number: number; readonly checkpoint: KeptCheckpoint | undefined }[]>;
  scan(number: number): Promise<ScannedCheckpoint>;
  drop(number: number): Promise<void>;
}

export class KeptFolder implements KeptFiles {
  readonly #checkpoints: string;
  readonly #kept: string;

  /** @param folder the allocation's; @param checkpoints where training code makes its folders */
  constructor(folder: string, checkpoints: string) {
    this.#checkpoints = checkpoints;
    this.#kept = join(folder, "kept");
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
      return null;
    } catch (error) {
      return `${path} cannot be read: ${(error as Error).message}`;
    }
  }

  async take(number: number, checkpoint: KeptCheckpoint, path: string): Promise<void> {
    try {
      writePrivate(this.#note(number), JSON.stringify(checkpoint));
      await rename(path, this.#files(number));
    } catch (error) {
      await rm(this.#note(number), { force: true });
      throw error;
    }
  }

  async found() {
    const names = await readdir(this.#kept);
    const numbers = names.flatMap((name) => /^(\d+)\.json$/.exec(name)?.[1] ?? []).map(Number);
    numbers.sort((a, b) => a - b);
    const found: { number: number; checkpoint: KeptCheckpoint | undefined }[] = [];
    for (const number of numbers) {
      // A note without its folder is from a death before the rename: the training code never heard "kept".
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
    const paths = new Map(tree.map((entry) => [entry.hash, entry.path]));
    return {
      tree,
      hash: name,
      blob: async (hash) =>
        hash === name
          ? new Blob([treeBytes as Uint8Array<ArrayBuffer>])
          : openAsBlob(sourceOf(paths.get(hash) ?? "")),
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
