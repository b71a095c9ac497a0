/**
 * Lays out what an allocation needs before its first process: the code of the snapshot (a copy of its
 * own, so that a program that edits its files edits nobody else's), the data sets (shared, read-only,
 * one folder a version), and the checkpoint to start from.
 *
 * While the server is away this waits; what is wrong with the request itself ends the launch, in words.
 */
import { lstatSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { type LaunchSpec, type Tree, tree } from "../protocol/runner-wire.ts";
import { CheckoutError, checkoutTree, type OpenBlob, removeCheckout } from "../store/snapshot.ts";
import { Backoff } from "./backoff.ts";
import type { BlobCache } from "./blob-cache.ts";
import { LaunchError } from "./rank-process.ts";
import { ServerFailure } from "./server-client.ts";
import type { StateFolder } from "./state-folder.ts";

export interface PreparedWorkspace {
  readonly code: string;
  /** Name in `data` → absolute path or free-form value. */
  readonly data: JsonObject;
  readonly restore: { readonly step: number; readonly path: string } | null;
}

/** A blob that is not there may be on its way after a restart of the server; then it is really missing. */
const MISSING_TRIES = 3;
const DAMAGED_TRIES = 2;
/** Of a list of files: twice what the server takes as a request. */
const TREE_BYTES_MAX = 128 * 1024 * 1024;

export class Workspace {
  readonly #state: StateFolder;
  readonly #cache: BlobCache;
  readonly #clock: Clock;
  readonly #datasets = new Map<string, Promise<string>>();

  constructor(options: { state: StateFolder; cache: BlobCache; clock: Clock }) {
    this.#state = options.state;
    this.#cache = options.cache;
    this.#clock = options.clock;
  }

  /** @throws LaunchError; or the signal's reason when it is aborted */
  async prepare(
    launch: LaunchSpec,
    folder: string,
    signal: AbortSignal,
  ): Promise<PreparedWorkspace> {
    const code = join(folder, "code");
    if (launch.code === null) await mkdir(code, { recursive: true });
    else await this.#checkout("code", launch.code, code, signal);
    const data: Record<string, Json> = {};
    for (const [name, item] of Object.entries(launch.data))
      data[name] =
        "value" in item ? (item.value as Json) : await this.#dataset(name, item.snapshot, signal);
    if (launch.restore === null) return { code, data, restore: null };
    const restore = { step: launch.restore.step, path: join(folder, "restore") };
    await this.#checkout(
      `the checkpoint at step ${restore.step}`,
      launch.restore.tree,
      restore.path,
      signal,
    );
    return { code, data, restore };
  }

  async #checkout(what: string, hash: string, folder: string, signal: AbortSignal): Promise<void> {
    await this.#persist(what, signal, async () => {
      const entries = await this.#tree(hash, signal);
      const readOnly = what !== "code";
      await removeCheckout(folder);
      const openBlob: OpenBlob = (blob, size) => this.#cache.open(blob, size, signal);
      await checkoutTree(entries, folder, openBlob, { readOnly });
    });
  }

  /** Several allocations that want the same version wait for one checkout. */
  #dataset(name: string, hash: string, signal: AbortSignal): Promise<string> {
    const folder = join(this.#state.datasets, hash);
    // A link in its place would lead the training to data that nobody named.
    if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return Promise.resolve(folder);
    const current = this.#datasets.get(hash);
    // Whoever began may be told to stop; then the next one begins again.
    if (current !== undefined)
      return current.catch((error: unknown) => {
        signal.throwIfAborted();
        if (error instanceof LaunchError) throw error;
        return this.#dataset(name, hash, signal);
      });
    const begun = this.#fetchDataset(name, hash, folder, signal).finally(() =>
      this.#datasets.delete(hash),
    );
    this.#datasets.set(hash, begun);
    return begun;
  }

  async #fetchDataset(
    name: string,
    hash: string,
    folder: string,
    signal: AbortSignal,
  ): Promise<string> {
    const partial = `${folder}.partial`;
    await this.#persist(`data set ${name}`, signal, async () => {
      const entries = await this.#tree(hash, signal);
      await removeCheckout(partial);
      await checkoutTree(entries, partial, (blob) => this.#cache.pass(blob, signal), {
        readOnly: true,
      });
      await removeCheckout(folder);
      await rename(partial, folder);
    });
    return folder;
  }

  async #tree(hash: string, signal: AbortSignal): Promise<Tree> {
    const bytes = await this.#cache.read(hash, TREE_BYTES_MAX, signal);
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString("utf8"));
    } catch {
      throw new LaunchError(`snapshot ${hash} is not a list of files`);
    }
    const parsed = tree.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new LaunchError(
      `snapshot ${hash} is not a list of files: ${parsed.error.issues[0]?.message}`,
    );
  }

  /** Tries until it works, the failure is final, or nobody wants it any more. */
  async #persist(what: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const backoff = new Backoff(this.#clock);
    signal.addEventListener("abort", () => backoff.cut(), { once: true });
    let missing = 0;
    let damaged = 0;
    for (;;) {
      signal.throwIfAborted();
      try {
        await work();
        return;
      } catch (caught) {
        signal.throwIfAborted();
        // A checkout that could not fetch says so in its own words; the reason is what counts here.
        const inner = (caught as Error).cause;
        const error = inner instanceof ServerFailure ? inner : caught;
        if (error instanceof CheckoutError && error.code === "damaged_blob") {
          // What the cache holds is not what its name says: fetch it anew.
          damaged += 1;
          const hash = /[0-9a-f]{64}/.exec(error.message)?.[0];
          if (hash !== undefined) await this.#cache.evict(hash);
          if (damaged < DAMAGED_TRIES) continue;
        }
        if (error instanceof ServerFailure && error.kind === "missing") missing += 1;
        const final = !isPassing(error) || missing >= MISSING_TRIES;
        if (final)
          throw new LaunchError(`${what} could not be laid out: ${(error as Error).message}`, {
            cause: error,
          });
        await backoff.wait();
      }
    }
  }
}

/** Ends by itself: the server is away, or a disk is full. */
function isPassing(error: unknown): boolean {
  if (error instanceof ServerFailure) return error.kind !== "refused";
  if (error instanceof CheckoutError) return error.code === "disk_full";
  return /^(?:ENOSPC|EDQUOT|EMFILE|ENFILE)$/.test((error as NodeJS.ErrnoException).code ?? "");
}
