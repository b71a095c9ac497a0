/**
 * Dataset versions as folders, each laid out once and shared by all trials of this node, read-only.
 *
 * A file that the blob cache has is not written again: where the file system can, it shares the bytes (a reflink, which
 * nobody can damage the cache through); otherwise it is the very file under a second name (a hard link), with no right
 * to write; otherwise a copy. So versions that differ in one file cost one file. What is shared is looked at before
 * each start (`trusted-file.ts`), and a version of which anything was changed is laid out anew.
 */
import { constants, lstatSync } from "node:fs";
import { chmod, copyFile, link, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Tree, TreeEntry } from "../protocol/runner-wire.ts";
import { checkoutTree, removeCheckout } from "../store/snapshot.ts";
import type { BlobCache } from "./blob-cache.ts";
import { SharedAnswers } from "./shared-answer.ts";
import type { FileTrust } from "./trusted-file.ts";

export interface DatasetFoldersOptions {
  readonly folder: string;
  readonly cache: BlobCache;
  readonly trust: FileTrust;
  /** The list of files of a snapshot. */
  tree(hash: string, signal: AbortSignal): Promise<Tree>;
}

/** Looked at in one go, before anybody else has a turn. */
const LOOKED_AT = 500;

export class DatasetFolders {
  readonly #options: DatasetFoldersOptions;
  readonly #current = new SharedAnswers<string>();
  /** Null: not tried yet. */
  #reflinks: boolean | null = null;

  constructor(options: DatasetFoldersOptions) {
    this.#options = options;
  }

  /** Several allocations that want the same version wait for one checkout. @throws what stops it, for each to judge; or the signal's reason */
  get(hash: string, signal: AbortSignal): Promise<string> {
    return this.#current.get(hash, signal, (shared) => this.#prepare(hash, shared));
  }

  async #prepare(hash: string, signal: AbortSignal): Promise<string> {
    const { folder: all, tree } = this.#options;
    const folder = join(all, hash);
    const entries = await tree(hash, signal);
    if (await this.#isWhole(folder, entries)) return folder;
    const partial = `${folder}.partial`;
    await removeCheckout(partial);
    await this.#layOut(entries, partial, signal);
    await removeCheckout(folder);
    await rename(partial, folder);
    return folder;
  }

  async #isWhole(folder: string, entries: Tree): Promise<boolean> {
    // A link in its place would lead the training to data that nobody named.
    if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return false;
    for (const [index, entry] of entries.entries()) {
      if (index % LOOKED_AT === LOOKED_AT - 1) await new Promise(setImmediate);
      if (!(await this.#options.trust.holds(join(folder, entry.path), entry))) return false;
    }
    return true;
  }

  async #layOut(entries: Tree, folder: string, signal: AbortSignal): Promise<void> {
    const { cache, trust } = this.#options;
    await checkoutTree(entries, folder, (blob) => cache.pass(blob, signal), {
      readOnly: true,
      place: (entry, path, mode) =>
        cache.holding([entry.hash], () => this.#share(entry, { path, mode }, signal)),
      placed: async (entry, path) => {
        await trust.stamp(path);
        // Put together from its parts: the next version that has it finds it whole.
        if (entry.chunks !== undefined) await cache.adopt(path, entry.hash);
      },
    });
  }

  /** @returns false where the content has to be written */
  async #share(
    entry: TreeEntry,
    { path, mode }: { readonly path: string; readonly mode: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { cache, trust } = this.#options;
    const source = await cache.file(entry, entry.chunks === undefined, signal);
    if (source === undefined) return false;
    if (await this.#reflink(source, path)) {
      await chmod(path, mode);
      await trust.stamp(path);
      return true;
    }
    // One file has one mode, whatever its names are.
    if (!entry.executable && (await hardLink(source, path))) return true;
    await copyFile(source, path, constants.COPYFILE_EXCL);
    await chmod(path, mode);
    await trust.stamp(path);
    return true;
  }

  async #reflink(source: string, path: string): Promise<boolean> {
    if (this.#reflinks === false) return false;
    try {
      await copyFile(source, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
      this.#reflinks = true;
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EEXIST" || code === "ENOSPC" || code === "EDQUOT") throw error;
      this.#reflinks ??= false;
      return false;
    }
  }
}

/** @returns false where this file system makes none, or no more of this file */
async function hardLink(source: string, path: string): Promise<boolean> {
  try {
    await link(source, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EXDEV" || code === "EMLINK" || code === "EPERM" || code === "ENOTSUP")
      return false;
    throw error;
  }
}
