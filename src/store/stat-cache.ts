/**
 * Remembers which content a file had, by what the file system says of it, so that a folder of ten thousand files of which
 * one changed is hashed in the time of one. It lies outside the folder, and losing it costs time and nothing else.
 *
 * The danger is a file that was changed after it was read and looks the same: written twice within one tick of the file
 * system's clock, to the same size. As in git, nothing is remembered of a file whose times are so near to the moment of
 * reading that such a change could hide (`RACY_MS`). Times alone are not trusted either: `mtime` can be set by anybody
 * (tar, rsync, touch), `ctime` only by the kernel, so both have to be as they were, with size, inode and device.
 */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** More than any file system's tick (FAT: 2 s), and some seconds for a clock of a file server that is behind. */
const RACY_MS = 3_000;
const VERSION = 1;
/** Of a folder that nobody has looked at for so long. */
const KEPT_MS = 60 * 86_400_000;
const ENTRIES_MAX = 1_000_000;

export type Stats = Pick<BigIntStats, "size" | "mtimeNs" | "ctimeNs" | "ino" | "dev">;

export interface StatCacheOptions {
  /** Caches of all folders lie here. */
  readonly folder: string;
  readonly nowMs: () => number;
}

export class StatCache {
  readonly #path: string;
  readonly #nowMs: () => number;
  /** Path → what the file system said, and the content's hash. */
  readonly #known: Map<string, readonly [facts: string, hash: string]>;
  readonly #seen = new Map<string, readonly [facts: string, hash: string]>();
  #changed = false;

  private constructor(
    path: string,
    nowMs: () => number,
    known: Map<string, readonly [string, string]>,
  ) {
    this.#path = path;
    this.#nowMs = nowMs;
    this.#known = known;
  }

  /** @param root real path of the folder that is scanned */
  static async open(root: string, { folder, nowMs }: StatCacheOptions): Promise<StatCache> {
    const name = createHash("sha256").update(root).digest("hex").slice(0, 32);
    const path = join(folder, `${name}.json`);
    return new StatCache(path, nowMs, await readKnown(path, root));
  }

  /** @returns the hash of the content, where the file is certainly as it was */
  find(path: string, stats: Stats): string | undefined {
    const entry = this.#known.get(path);
    if (entry === undefined || entry[0] !== factsOf(stats)) return undefined;
    this.#seen.set(path, entry);
    return entry[1];
  }

  /** @param stats from before the content was read, and the same after it */
  learn(path: string, stats: Stats, hash: string): void {
    const newestMs = Number(
      (stats.mtimeNs > stats.ctimeNs ? stats.mtimeNs : stats.ctimeNs) / 1_000_000n,
    );
    this.#changed = true;
    if (this.#nowMs() - newestMs >= RACY_MS) this.#seen.set(path, [factsOf(stats), hash]);
  }

  /** Keeps what was seen in this scan. Never throws: without a cache the next scan is slower, and that is all. */
  async save(root: string): Promise<void> {
    if (!this.#changed && this.#seen.size === this.#known.size) return;
    if (this.#seen.size > ENTRIES_MAX) return;
    const entries = [...this.#seen].map(([path, [facts, hash]]) => [path, facts, hash]);
    const partial = `${this.#path}.${process.pid}.partial`;
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      await writeFile(partial, JSON.stringify({ version: VERSION, root, entries }), {
        mode: 0o600,
      });
      await rename(partial, this.#path);
      await forgetOld(dirname(this.#path), this.#nowMs());
    } catch {
      await rm(partial, { force: true }).catch(() => undefined);
    }
  }
}

const factsOf = ({ size, mtimeNs, ctimeNs, ino, dev }: Stats): string =>
  `${size} ${mtimeNs} ${ctimeNs} ${dev}:${ino}`;

async function readKnown(
  path: string,
  root: string,
): Promise<Map<string, readonly [string, string]>> {
  try {
    const file = JSON.parse(await readFile(path, "utf8"));
    if (file.version !== VERSION || file.root !== root) return new Map();
    const known = new Map<string, readonly [string, string]>();
    for (const [name, facts, hash] of file.entries)
      if (typeof facts === "string" && /^[0-9a-f]{64}$/.test(hash)) known.set(name, [facts, hash]);
    return known;
  } catch {
    return new Map();
  }
}

async function forgetOld(folder: string, nowMs: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const { mtimeMs } = await stat(path);
    if (nowMs - mtimeMs > KEPT_MS) await rm(path, { force: true });
  }
}
