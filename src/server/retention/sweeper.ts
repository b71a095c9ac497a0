/**
 * Deletes bytes to which nothing refers, beside the decision loop: that loop only ever writes down that something goes,
 * and what it wrote is found here, now or after a restart. So deletion can be cut off anywhere and goes on by itself:
 * the files first, then the register, and a file that is gone already is no surprise.
 *
 * Never deletes: what a record refers to, what is under lease, what a request holds at this moment. Each is asked
 * again after the names were taken, so that whoever comes later waits and finds out.
 */
import type { Clock } from "../../base/clock.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { BlobGate } from "../../store/blob-gate.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { readTree } from "../../store/read-tree.ts";
import type { TreeRegister } from "../../store/tree-store.ts";
import { Undeletable } from "./undeleted.ts";

export interface SweeperOptions {
  readonly trees: TreeRegister;
  readonly blobs: BlobStore;
  readonly gate: BlobGate;
  readonly clock: Pick<Clock, "nowMs">;
}

export interface Freed {
  blobs: number;
  bytes: number;
}

/** A snapshot that is referred to cannot be read, so nobody knows which blobs are in use. */
const unreadable = (hash: string): ContrailError =>
  new ContrailError(
    "conflict",
    `the list of files of snapshot ${hash} is referred to and cannot be read, so nobody knows which blobs are in use; nothing was deleted`,
    { hint: `Restore the blob ${hash} in the data folder, or delete what refers to it.` },
  );

const TREES_AT_ONCE = 20;
const BLOBS_AT_ONCE = 500;

export class Sweeper {
  readonly #options: SweeperOptions;
  #complete = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  get #now(): Date {
    return new Date(this.#options.clock.nowMs());
  }

  /** Registers what was stored before there was a register. @throws ContrailError */
  async register(): Promise<void> {
    if (this.#complete) return;
    const { trees, blobs } = this.#options;
    for (const hash of await trees.unregistered()) {
      const found = await readTree(blobs, hash);
      if (found === undefined) throw unreadable(hash);
      await trees.register({ hash, ...found }, this.#now);
    }
    this.#complete = true;
  }

  /** These snapshots, as far as nothing refers to them any more. @throws Undeleted at its end */
  async sweepThese(names: readonly string[], freed: Freed): Promise<void> {
    await this.register();
    const left = new Undeletable();
    for (const tree of await this.#options.trees.stillUnused(names, this.#now))
      await this.#sweepTree(tree, freed, left);
    left.tell();
  }

  /**
   * All snapshots that were let go, with the blobs that no other has.
   * @param told after each part @throws Undeleted at its end
   */
  async sweepTrees(freed: Freed, told: () => void = () => undefined): Promise<void> {
    await this.register();
    const { trees } = this.#options;
    const left = new Undeletable();
    let after = "";
    for (;;) {
      const page = { after, limit: TREES_AT_ONCE, now: this.#now };
      const unused = await trees.unused(page);
      const last = unused.at(-1);
      if (last === undefined) return left.tell();
      after = last;
      for (const tree of unused) await this.#sweepTree(tree, freed, left);
      told();
    }
  }

  async #sweepTree(name: string, freed: Freed, left: Undeletable): Promise<void> {
    const { trees, gate } = this.#options;
    using tree = gate.take([name]);
    if ((await trees.stillUnused(tree.names, this.#now)).length === 0) return;
    const own = await trees.ownBlobs([name]);
    const sizes = new Map(own.map(({ blob, size }) => [blob, size]));
    // The list's own name is taken already.
    using others = gate.take([...sizes.keys()].filter((blob) => blob !== name));
    const taken = [...others.names, ...(sizes.has(name) ? [name] : [])];
    // Another snapshot may have come to share some of them since.
    const mine = new Set((await trees.ownBlobs([name])).map(({ blob }) => blob));
    const leased = await trees.leased(taken, this.#now);
    const free = taken.filter((blob) => mine.has(blob) && !leased.has(blob));
    const before = left.count;
    await this.#delete(free, sizes, { freed, left });
    if (left.count > before) return;
    // What somebody else wants at this moment is theirs from now on; if nothing comes of it, it belongs to nothing.
    await trees.forget([name]);
  }

  async #delete(
    names: readonly string[],
    sizes: ReadonlyMap<string, number>,
    { freed, left }: { readonly freed: Freed; readonly left: Undeletable },
  ): Promise<void> {
    for (const name of names)
      try {
        if (!(await this.#options.blobs.delete(name))) continue;
        freed.blobs += 1;
        freed.bytes += sizes.get(name) ?? 0;
      } catch (error) {
        left.note(error);
      }
  }

  /** Blobs that belong to nothing at all: uploads that nobody finished. @param unread as of `BlobStore.list` */
  async *orphans(
    unread?: (error: unknown) => void,
  ): AsyncGenerator<{ blob: string; size: number }[]> {
    await this.register();
    const { trees, blobs } = this.#options;
    const names: string[] = [];
    const sized = async (): Promise<{ blob: string; size: number }[]> => {
      const unused = await trees.unusedBlobs(names.splice(0), this.#now);
      const found = unused.map(async (blob) => ({ blob, size: (await blobs.size(blob)) ?? 0 }));
      return Promise.all(found);
    };
    for await (const name of blobs.list(unread)) {
      names.push(name);
      if (names.length >= BLOBS_AT_ONCE) yield await sized();
    }
    if (names.length > 0) yield await sized();
  }

  /** @returns how many half-written files were removed as well @throws Undeleted at its end */
  async sweepOrphans(freed: Freed, told: () => void = () => undefined): Promise<number> {
    const { trees, gate, blobs } = this.#options;
    const left = new Undeletable();
    for await (const found of this.orphans((error) => left.note(error))) {
      const sizes = new Map(found.map(({ blob, size }) => [blob, size]));
      using taken = gate.take(sizes.keys());
      const names = await trees.unusedBlobs(taken.names, this.#now);
      await this.#delete(names, sizes, { freed, left });
      told();
    }
    await trees.dropOldLeases(this.#now);
    const halfWritten = await blobs.tidy().catch((error: unknown) => left.note(error));
    left.tell();
    return halfWritten ?? 0;
  }
}
