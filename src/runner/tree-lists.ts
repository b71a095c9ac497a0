/**
 * The lists of files of snapshots, read, parsed and checked once: a hundred trials of one experiment begin with the same
 * one. By hash, so none of them is ever out of date; those that were asked for last are kept.
 */
import { RecentMap } from "../base/recent-map.ts";
import { dataTree, type Tree } from "../protocol/runner-wire.ts";
import type { BlobCache } from "./blob-cache.ts";
import { LaunchError } from "./rank-process.ts";

/** Of a list: twice what the server takes as a request. */
export const TREE_BYTES_MAX = 128 * 1024 * 1024;
/** Files of all lists that are kept, about 300 bytes each. */
const FILES_KEPT_MAX = 50_000;

export class TreeLists {
  readonly #cache: Pick<BlobCache, "read">;
  readonly #kept: RecentMap<string, Tree>;

  constructor(cache: Pick<BlobCache, "read">, filesKeptMax = FILES_KEPT_MAX) {
    this.#cache = cache;
    this.#kept = new RecentMap(filesKeptMax, (_, tree) => tree.length);
  }

  /** @throws LaunchError where it is no list of files; ServerFailure or the file system's error */
  async get(hash: string, signal: AbortSignal): Promise<Tree> {
    const known = this.#kept.get(hash);
    if (known !== undefined) return known;
    const tree = await this.#read(hash, signal);
    this.#kept.set(hash, tree);
    return tree;
  }

  async #read(hash: string, signal: AbortSignal): Promise<Tree> {
    const bytes = await this.#cache.read(hash, TREE_BYTES_MAX, signal);
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString("utf8"));
    } catch {
      throw new LaunchError(`snapshot ${hash} is not a list of files`);
    }
    const parsed = dataTree.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new LaunchError(
      `snapshot ${hash} is not a list of files: ${parsed.error.issues[0]?.message}`,
    );
  }
}
