/**
 * How much the blob cache may hold, and what goes when it holds more: what was used longest ago, but nothing that is
 * being laid out just now. Files that a version's folder has as well cost nothing and are not counted.
 *
 * What is fetched is added up, and the folder is looked through only when the sum is over the limit or an hour old: a
 * look at each fetch would cost as much as fetching. What goes makes room for an eighth more than is needed, so that a
 * full cache is not looked through for each file. A timer was refused: what nobody uses does not grow.
 */
import { randomUUID } from "node:crypto";
import { renameSync } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";

export const CACHE_BYTES_MAX = 8 * 1024 ** 3;
/** What else changes the sum (versions that go, what people delete) is seen by then. */
const LOOK_AGAIN_MS = 3_600_000;
const PARTIAL = "partial-";

export interface CacheRoomOptions {
  readonly folder: string;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly bytesMax?: number;
}

interface CachedFile {
  readonly folder: string;
  readonly hash: string;
  readonly size: number;
  readonly usedMs: number;
}

export class CacheRoom {
  readonly #folder: string;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #bytesMax: number;
  /** Of this process: what others began, nobody ends. */
  readonly #partial = `${PARTIAL}${randomUUID()}-`;
  /** By hash: by how many it is being laid out. */
  readonly #held = new Map<string, number>();
  /** At the last look, and what came since. */
  #bytes = 0;
  /** The sum at which a look is worth its cost while things are held: that of the last one, and an eighth of the limit. */
  #lookAboveBytes: number;
  #lookedAtMs: number;
  #trimming: Promise<void> | null = null;

  constructor({ folder, clock, bytesMax = CACHE_BYTES_MAX }: CacheRoomOptions) {
    this.#folder = folder;
    this.#clock = clock;
    this.#bytesMax = bytesMax;
    this.#lookAboveBytes = bytesMax;
    this.#lookedAtMs = clock.monotonicMs();
  }

  /** A name for a file that is not whole yet: such files of earlier processes go. */
  partialName(): string {
    return `${this.#partial}${randomUUID()}`;
  }

  /** A file came in. */
  took(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Nothing of `hashes` goes while `work` runs. Afterwards there is as much room as there should be. */
  async holding<T>(hashes: readonly string[], work: () => Promise<T>): Promise<T> {
    for (const hash of hashes) this.#held.set(hash, (this.#held.get(hash) ?? 0) + 1);
    try {
      return await work();
    } finally {
      for (const hash of hashes) {
        const others = (this.#held.get(hash) ?? 1) - 1;
        if (others === 0) this.#held.delete(hash);
        else this.#held.set(hash, others);
      }
      // A folder that cannot be looked through is no failure of what was laid out from it: the next one looks again.
      if (this.#mayBeTooFull()) await this.trim().catch(() => {});
    }
  }

  #mayBeTooFull(): boolean {
    if (this.#clock.monotonicMs() - this.#lookedAtMs > LOOK_AGAIN_MS) return true;
    return this.#bytes > (this.#held.size === 0 ? this.#bytesMax : this.#lookAboveBytes);
  }

  /** Drops what was used longest ago where there is too much. @throws the file system's error */
  trim(): Promise<void> {
    this.#trimming ??= this.#trim().finally(() => {
      this.#trimming = null;
    });
    return this.#trimming;
  }

  async #trim(): Promise<void> {
    this.#lookedAtMs = this.#clock.monotonicMs();
    const before = this.#bytes;
    const files = await this.#files();
    let total = files.reduce((sum, file) => sum + file.size, 0);
    const enoughBytes =
      total > this.#bytesMax ? this.#bytesMax - this.#bytesMax / 8 : this.#bytesMax;
    files.sort((a, b) => a.usedMs - b.usedMs);
    for (const file of files) {
      if (total <= enoughBytes) break;
      if (await this.#drop(file)) total -= file.size;
    }
    // What came during the look may have been counted by it, too; better twice than not at all.
    this.#bytes = total + this.#bytes - before;
    this.#lookAboveBytes = Math.max(this.#bytesMax, total + this.#bytesMax / 8);
  }

  /** @returns those that cost something; of what earlier processes left behind nothing stays */
  async #files(): Promise<CachedFile[]> {
    const files: CachedFile[] = [];
    for (const entry of await readdir(this.#folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const { parentPath: folder, name: hash } = entry;
      const path = join(folder, hash);
      if (hash.startsWith(PARTIAL)) {
        if (!hash.startsWith(this.#partial)) await rm(path, { force: true });
        continue;
      }
      const found = await stat(path).catch(() => undefined);
      if (found?.nlink === 1) files.push({ folder, hash, size: found.size, usedMs: found.atimeMs });
    }
    return files;
  }

  /** @returns whether it is gone: not where somebody began to use it meanwhile */
  async #drop({ folder, hash }: CachedFile): Promise<boolean> {
    if (this.#held.has(hash)) return false;
    const dropped = join(folder, this.partialName());
    try {
      // In the same breath as the look at who holds it; to remove a large file takes longer than others should wait.
      renameSync(join(folder, hash), dropped);
    } catch {
      return false;
    }
    await rm(dropped, { force: true });
    return true;
  }
}
