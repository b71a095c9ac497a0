/**
 * Lays out what an allocation needs before its first process: the code of the snapshot (a copy of its
 * own, so that a program that edits its files edits nobody else's), the data sets (shared, read-only,
 * one folder a version), and the checkpoint to start from.
 *
 * While the server is away this waits; what is wrong with the request itself ends the launch, in words.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { type RecordPart, recordPart } from "../protocol/record-part.ts";
import type { LaunchSpec, Tree } from "../protocol/runner-wire.ts";
import { type Environment, S3Error } from "../store/s3.ts";
import {
  blobsOf,
  CheckoutError,
  type CheckoutOptions,
  checkoutTree,
  type OpenBlob,
  removeCheckout,
} from "../store/snapshot.ts";
import { Backoff, isSpoiled, mayPass, SPOILED_TRIES } from "./backoff.ts";
import type { BlobCache } from "./blob-cache.ts";
import type { ContainerImage } from "./containers/images.ts";
import { DatasetFolders } from "./dataset-folders.ts";
import { LaunchError } from "./rank-process.ts";
import { ReferencedData } from "./referenced-data.ts";
import { S3Data } from "./s3-data.ts";
import { type ServerClient, ServerFailure, SILENT } from "./server-client.ts";
import type { StateFolder } from "./state-folder.ts";
import { serves } from "./tasks/task-socket.ts";
import { isKeptWork, layOutWork, tellLeftOut } from "./tasks/work-folder.ts";
import { TREE_BYTES_MAX, TreeLists } from "./tree-lists.ts";
import type { FileTrust } from "./trusted-file.ts";

export interface PreparedWorkspace {
  readonly code: string;
  /** Name in `data` → absolute path or free-form value. */
  readonly data: JsonObject;
  readonly restore: { readonly step: number; readonly path: string } | null;
  /** What is to be launched, where preparing changed it. */
  readonly launch?: LaunchSpec;
  /** What it runs in, where that is a container. */
  readonly image?: ContainerImage;
}

/** A blob that is not there may be on its way after a restart of the server; then it is really missing. */
const MISSING_TRIES = 3;
const DAMAGED_TRIES = 2;

/** For whom something is laid out. */
export interface Wanted {
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
}

export interface WorkspaceOptions {
  readonly state: Pick<StateFolder, "datasets">;
  readonly cache: BlobCache;
  readonly clock: Clock;
  readonly trust: FileTrust;
  /** Of the runner. */
  readonly environment: Environment;
  readonly client: Pick<ServerClient, "json">;
}

export class Workspace {
  readonly #cache: BlobCache;
  readonly #trees: TreeLists;
  readonly #clock: Clock;
  readonly #client: Pick<ServerClient, "json">;
  readonly #references: ReferencedData;
  readonly #datasets: DatasetFolders;

  constructor(options: WorkspaceOptions) {
    this.#client = options.client;
    this.#cache = options.cache;
    this.#trees = new TreeLists(options.cache);
    this.#datasets = new DatasetFolders({
      folder: options.state.datasets,
      cache: options.cache,
      trust: options.trust,
      tree: (hash, signal) => this.#trees.get(hash, signal),
    });
    const { trust, environment } = options;
    this.#references = new ReferencedData({
      s3: new S3Data({ folder: options.state.datasets, trust, environment }),
      read: (hash, signal) => options.cache.read(hash, TREE_BYTES_MAX, signal),
    });
    this.#clock = options.clock;
  }

  /** @throws LaunchError; or the signal's reason when it is aborted */
  async prepare(launch: LaunchSpec, folder: string, wanted: Wanted): Promise<PreparedWorkspace> {
    const { signal, tell } = wanted;
    const code = join(folder, "code");
    const leftOut = await this.#laidOutAgain(launch, folder, { work: code, wanted });
    if (leftOut) tellLeftOut(leftOut, tell);
    else if (launch.code === null)
      await this.#persist("its folder", wanted, async () => {
        await mkdir(code, { recursive: true });
      });
    else await this.#checkout("code", launch.code, code, { wanted, readOnly: false });
    const data: Record<string, Json> = {};
    for (const [name, item] of Object.entries(launch.data)) {
      if ("value" in item) {
        data[name] = item.value as Json;
        continue;
      }
      await this.#persist(`data set ${name}`, wanted, async () => {
        data[name] =
          "reference" in item
            ? await this.#references.place(name, item.reference, signal)
            : await this.#datasets.get(item.snapshot, signal);
      });
    }
    if (launch.restore === null || leftOut) return { code, data, restore: null };
    const restore = { step: launch.restore.step, path: join(folder, "restore") };
    await this.#checkout(
      `the checkpoint at step ${restore.step}`,
      launch.restore.tree,
      restore.path,
      { wanted, readOnly: true },
    );
    return { code, data, restore };
  }

  /** Of a task that goes on: its folder as it was left, in place of its code. @returns what of it this disk does not take; undefined where there is none */
  async #laidOutAgain(
    launch: LaunchSpec,
    folder: string,
    { work, wanted }: { readonly work: string; readonly wanted: Wanted },
  ): Promise<readonly string[] | undefined> {
    const { restore } = launch;
    if (restore === null || !serves(launch)) return undefined;
    const what = "the folder as it was left";
    let tree: Tree = [];
    await this.#persist(what, wanted, async () => {
      tree = await this.#trees.get(restore.tree, wanted.signal);
    });
    if (!isKeptWork(tree)) return undefined;
    const place = join(folder, "left");
    let leftOut: readonly string[] = [];
    // It moves, so where the disk has no room for all of it, it begins again with what is moved.
    const placed = async (): Promise<void> => {
      await removeCheckout(work);
      leftOut = await layOutWork(place, work);
      await removeCheckout(place);
    };
    await this.#checkout(what, restore.tree, place, { wanted, readOnly: false, placed });
    return leftOut;
  }

  /** A recorded environment. @throws LaunchError where the server has none of that name */
  async environment(hash: string, wanted: Wanted): Promise<RecordPart> {
    const { signal } = wanted;
    const path = `/api/v1/environments/${hash}`;
    let found: RecordPart | undefined;
    await this.#persist(`the environment ${hash}`, wanted, async () => {
      const reply = await this.#client.json({ method: "GET", path, timeoutMs: 60_000, signal });
      const { captured, missing, not_applicable } = reply as RecordPart;
      found = recordPart.parse({ captured, missing, not_applicable });
    });
    return found as RecordPart;
  }

  async #checkout(
    what: string,
    hash: string,
    folder: string,
    {
      wanted,
      readOnly,
      placed,
    }: {
      readonly wanted: Wanted;
      readonly readOnly: boolean;
      /** What is done with it then; where that fails for want of room, all is done again. */
      readonly placed?: () => Promise<void>;
    },
  ): Promise<void> {
    const { signal } = wanted;
    await this.#persist(what, wanted, async () => {
      const entries = await this.#trees.get(hash, signal);
      await removeCheckout(folder);
      const openBlob: OpenBlob = (blob, size) => this.#cache.open(blob, size, signal);
      const hashes = entries.flatMap((entry) => blobsOf(entry).map(({ hash: blob }) => blob));
      const place: CheckoutOptions["place"] = async (entry, path, mode) =>
        entry.chunks === undefined && (await this.#cache.copy(entry, { path, mode }));
      await this.#cache.holding(hashes, () =>
        checkoutTree(entries, folder, openBlob, { readOnly, place }),
      );
      await placed?.();
    });
  }

  /** Tries until it works, the failure is final, or nobody wants it any more; and says so where it may not end by itself. */
  async #persist(what: string, { signal, tell }: Wanted, work: () => Promise<void>): Promise<void> {
    const backoff = new Backoff(this.#clock);
    signal.addEventListener("abort", () => backoff.cut(), { once: true });
    let missing = 0;
    let damaged = 0;
    let spoiled = 0;
    for (let told = false; ; ) {
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
        if (error instanceof LaunchError) throw error;
        if (error instanceof ServerFailure && error.kind === "missing") missing += 1;
        if (isSpoiled(error)) spoiled += 1;
        if (!isPassing(error) || missing >= MISSING_TRIES || spoiled >= SPOILED_TRIES)
          throw new LaunchError(`${what} could not be laid out: ${(error as Error).message}`, {
            cause: error,
          });
        if (!told && !isAway(error)) {
          told = true;
          tell(`${what} cannot be laid out now, and is tried again: ${(error as Error).message}`);
        }
        await backoff.wait();
      }
    }
  }
}

/** Ends by itself: who is asked is away, a disk is full. */
function isPassing(error: unknown): boolean {
  if (error instanceof ServerFailure) return error.kind !== "refused";
  if (error instanceof S3Error) return error.isPassing;
  if (error instanceof CheckoutError && error.code === "disk_full") return true;
  return mayPass(error);
}

/** A server that is away is no news. */
const isAway = (error: unknown): boolean =>
  error instanceof ServerFailure && SILENT.has(error.kind);
