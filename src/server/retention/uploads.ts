/**
 * Content on its way in: between being told that a blob is here and writing down what refers to it, nobody may delete it.
 *
 * Within a request the gate sees to that; beyond it a lease in the database does, also over a restart of the server. A
 * runner says for which allocation and snapshot it asks: such a lease holds for as long as the allocation lives, however
 * long the runner is cut off, and ends as soon as the checkpoint is written down. All others hold for a day.
 */

import type { Clock } from "../../base/clock.ts";
import { parseId } from "../../base/ids.ts";
import type { SyncRequest, TreeEntry } from "../../protocol/runner-wire.ts";
import type { BlobGate, Held } from "../../store/blob-gate.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { blobsOf, canonicalTree } from "../../store/snapshot.ts";
import type { LeaseHolder, TreeRegister } from "../../store/tree-store.ts";
import type { Caller } from "../access.ts";
import { findLive, type TreeName } from "../sync.ts";
import type { World } from "../world.ts";

export interface UploadContext {
  readonly world: World;
  readonly trees: TreeRegister;
  readonly blobs: BlobStore;
  readonly gate: BlobGate;
  readonly clock: Clock;
}

/** For which checkpoint a runner asks. */
export interface Purpose {
  readonly allocation: string;
  readonly tree: string;
}

const holderName = ({ allocation, tree }: Purpose): string =>
  `allocation ${allocation} tree ${tree}`;

function holderOf(
  { world }: Pick<UploadContext, "world">,
  caller: Caller | null,
  purpose: Purpose | undefined,
): LeaseHolder {
  if (caller?.kind === "user") return { name: `user ${caller.userId}` };
  const name = caller?.kind === "runner" ? `runner ${caller.runner}` : "nobody";
  const id = purpose && parseId(purpose.allocation);
  if (!purpose || id?.trial === undefined || id.run === undefined) return { name };
  // One that is over could not hold anything.
  if (!findLive(world, purpose.allocation)) return { name };
  const allocation = { experiment: id.experiment, trial: id.trial, run: id.run };
  return { name: holderName(purpose), allocation };
}

/** @returns those that are not stored; the others stay until the asker has had time to refer to them */
export async function missingBlobs(
  context: UploadContext,
  caller: Caller | null,
  asked: { readonly hashes: readonly string[]; readonly for?: Purpose | undefined },
): Promise<string[]> {
  const { gate, blobs, trees, clock } = context;
  using held = await gate.hold(asked.hashes);
  const holder = holderOf(context, caller, asked.for);
  await trees.lease(holder, held.names, new Date(clock.nowMs()));
  return await blobs.missing(held.names);
}

export async function putBlob(
  context: UploadContext,
  caller: Caller | null,
  blob: { readonly hash: string; readonly body: AsyncIterable<Uint8Array> },
): ReturnType<BlobStore["put"]> {
  const { gate, blobs, trees, clock } = context;
  using _held = await gate.hold([blob.hash]);
  const stored = await blobs.put(blob.body, { expected: blob.hash });
  await trees.leaseSent(holderOf(context, caller, undefined), blob.hash, new Date(clock.nowMs()));
  return stored;
}

/** A snapshot that may be referred to for as long as it is held. */
export interface KeptSnapshot extends Disposable {
  readonly hash: string;
}

/** Takes hold of a snapshot's files. @returns which of them are not stored */
export async function holdFiles(
  context: Pick<UploadContext, "blobs" | "gate">,
  entries: readonly TreeEntry[],
): Promise<{ readonly held: Held; readonly missing: ReadonlySet<string> }> {
  const held = await context.gate.hold(
    entries.flatMap((entry) => blobsOf(entry).map(({ hash }) => hash)),
  );
  try {
    return { held, missing: new Set(await context.blobs.missing(held.names)) };
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

/** Stores and registers the list of files. @param held its files, all of which are stored; given back with it */
export const keepSnapshot = (
  context: UploadContext,
  entries: readonly TreeEntry[],
  held: Held,
): Promise<KeptSnapshot> => keepBytes(context, canonicalTree(entries), entries, held);

/** Stores and registers a list. @param entries what has to be stored for as long as the list is */
export async function keepBytes(
  context: UploadContext,
  { bytes, hash }: { readonly bytes: Uint8Array; readonly hash: string },
  entries: readonly TreeEntry[],
  held?: Held,
): Promise<KeptSnapshot> {
  const { gate, blobs, trees, clock } = context;
  const own = await gate.hold([hash]);
  const release = (): void => {
    own[Symbol.dispose]();
    held?.[Symbol.dispose]();
  };
  try {
    await blobs.put(bytes, { expected: hash });
    const tree = { hash, bytes: bytes.length, entries };
    await trees.register(tree, new Date(clock.nowMs()));
    return { hash, [Symbol.dispose]: release };
  } catch (error) {
    release();
    throw error;
  }
}

/** These checkpoints are written down, so their records hold their blobs from now on. */
export const uploadsDone = (
  { trees }: Pick<UploadContext, "trees">,
  done: readonly Purpose[],
): Promise<void> => trees.endLeases(done.map(holderName));

export interface SavedTrees extends Disposable {
  /** null where not all of its files are here: then there is no such checkpoint. */
  readonly nameOf: TreeName;
  readonly done: readonly Purpose[];
}

/** Stores the list of files of each checkpoint, and holds all of it until the turn that refers to it is through. */
export async function saveTrees(context: UploadContext, body: SyncRequest): Promise<SavedTrees> {
  const kept = new Map<readonly TreeEntry[], KeptSnapshot>();
  const done: Purpose[] = [];
  const release = (): void => {
    for (const snapshot of kept.values()) snapshot[Symbol.dispose]();
  };
  try {
    for (const { id, events } of body.allocations)
      for (const event of events) {
        if (event.type !== "checkpoint") continue;
        const { held, missing } = await holdFiles(context, event.tree);
        if (missing.size > 0) {
          held[Symbol.dispose]();
          continue;
        }
        const snapshot = await keepSnapshot(context, event.tree, held);
        kept.set(event.tree, snapshot);
        done.push({ allocation: id, tree: snapshot.hash });
      }
  } catch (error) {
    release();
    throw error;
  }
  return { nameOf: (tree) => kept.get(tree)?.hash ?? null, done, [Symbol.dispose]: release };
}
