/**
 * Turns a folder into a tree: which files, how large, which content.
 *
 * Two passes. The first only looks at names and sizes, so that a folder that is far too large is refused in
 * a moment, with the files that make it so; the second hashes, a few files at a time. What is as it was at the last scan,
 * the file system says, is not read at all, where there is a memory of that (`stat-cache.ts`).
 * Links are followed when they stay inside the folder; one that leads outside is an error, because a
 * snapshot without it would not run and one with it would not be this folder.
 */
import { type BigIntStats, constants, type Dirent } from "node:fs";
import { lstat, open, readdir, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import type { Tree, TreeEntry } from "../protocol/runner-wire.ts";
import { CHUNK_BYTES_MAX } from "./chunks.ts";
import { FileHasher, type FileReader, type FoundFile, isExecutable } from "./hash-file.ts";
import { defaultIgnores, type IgnoreRule, isIgnored, parseIgnoreFile } from "./ignore-file.ts";
import { StatCache, type StatCacheOptions } from "./stat-cache.ts";
import { canonicalTree, checkTree, pathFault, type SnapshotIssue, sortTree } from "./tree.ts";

export interface ScanOptions {
  /** Name of the ignore file in the folder's root, or null for none. */
  readonly ignoreFile?: string | null;
  /** Patterns that come before the ignore file's, which can take them back. */
  readonly ignore?: readonly string[];
  readonly limits?: { readonly bytesMax?: number; readonly filesMax?: number };
  /** Cut large files into parts: for data. */
  readonly chunked?: boolean;
  /** Sees what is read while it is read. */
  readonly reader?: FileReader;
  /** How much there is to read, once that is known. */
  readonly counted?: (files: number, bytes: number) => void;
  /** Remembers contents from scan to scan; absent = every file is read. Not for who cuts, or wants to see the bytes. */
  readonly cache?: StatCacheOptions;
}

export interface ScannedFolder {
  /** In byte order of path. */
  readonly tree: Tree;
  /** The tree's name, and the bytes it is stored as. */
  readonly hash: string;
  readonly treeBytes: Uint8Array;
  /** Of all files together. */
  readonly bytes: number;
  /** What was left out although no pattern says so (sockets, devices …), in words. */
  readonly notes: readonly string[];
  /** When a file was last written, in ns. */
  readonly mtimes: ReadonlyMap<string, bigint>;
  /** The file that holds an entry's content. */
  sourceOf(path: string): string;
}

export type ScanResult =
  | { readonly ok: true; readonly folder: ScannedFolder }
  | { readonly ok: false; readonly issues: readonly SnapshotIssue[] };

export const defaultScanLimits = { bytesMax: 512 * 1024 * 1024, filesMax: 20_000 };
const HASHED_AT_ONCE = 6;
const MEASURED_AT_ONCE = 32;
const IGNORE_BYTES_MAX = 1024 * 1024;
/** Beyond this the walk itself is given up. */
const WALKED_FILES_MAX = 1_000_000;

/** @returns the tree, or everything that is wrong with the folder */
export async function scanFolder(folder: string, options: ScanOptions = {}): Promise<ScanResult> {
  let root: string;
  try {
    root = await realpath(folder);
    if (!(await stat(root)).isDirectory()) return refused(folder, "is not a folder");
  } catch (error) {
    return refused(folder, `cannot be read: ${(error as Error).message}`);
  }
  const rules = await readRules(root, options);
  if (!Array.isArray(rules)) return { ok: false, issues: [rules] };
  const walk = new Walk(root, rules);
  await walk.visit(root, "", [root]);
  await walk.measured();
  const limits = { ...defaultScanLimits, ...options.limits };
  const tooMuch = overLimit(walk.files, limits);
  if (walk.issues.length > 0 || tooMuch !== undefined) {
    return { ok: false, issues: [...(tooMuch === undefined ? [] : [tooMuch]), ...walk.issues] };
  }
  options.counted?.(walk.files.length, bytesOf(walk.files));
  const cache = options.cache && (await StatCache.open(root, options.cache));
  const { entries, issues, mtimes } = await hashAll(walk.files, options, cache);
  await cache?.save(root);
  const tree = sortTree(entries);
  const faults = [...issues, ...checkTree(tree)];
  if (faults.length > 0) return { ok: false, issues: faults };
  const { bytes: treeBytes, hash } = canonicalTree(tree);
  const bytes = bytesOf(tree);
  const sources = new Map(walk.files.map(({ path, source }) => [path, source]));
  const sourceOf = (path: string) => sources.get(path) ?? join(root, path);
  const { notes } = walk;
  return { ok: true, folder: { tree, hash, treeBytes, bytes, notes, mtimes, sourceOf } };
}

const bytesOf = (files: readonly { readonly size: number }[]): number =>
  files.reduce((sum, file) => sum + file.size, 0);

const refused = (path: string, message: string): ScanResult => ({
  ok: false,
  issues: [{ path, message }],
});

async function readRules(
  root: string,
  options: ScanOptions,
): Promise<IgnoreRule[] | SnapshotIssue> {
  const { ignoreFile = ".contrailignore", ignore = defaultIgnores } = options;
  const own = ignoreFile === null ? "" : await readIgnoreFile(join(root, ignoreFile));
  if (own === null)
    return {
      path: ignoreFile ?? ".",
      message: `holds more than ${readable(IGNORE_BYTES_MAX)}. Use patterns (\`logs/\`) in place of single names.`,
    };
  return parseIgnoreFile(`${ignore.join("\n")}\n${own}`);
}

/** @returns "" where there is none (or none that can be read: the walk says so), null where it is too large */
async function readIgnoreFile(path: string): Promise<string | null> {
  // A pipe of this name would otherwise hold the scan up for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (file === undefined) return "";
  try {
    const found = await file.stat();
    if (!found.isFile()) return "";
    return found.size > IGNORE_BYTES_MAX ? null : await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/** The first pass: collects files, and what speaks against them. */
class Walk {
  readonly files: FoundFile[] = [];
  readonly issues: SnapshotIssue[] = [];
  readonly notes: string[] = [];
  readonly #measuring = new Set<Promise<void>>();
  readonly #root: string;
  readonly #rules: readonly IgnoreRule[];

  constructor(root: string, rules: readonly IgnoreRule[]) {
    this.#root = root;
    this.#rules = rules;
  }

  /** @param way real paths of the folders above, this one included: a link back to one of them would never end */
  async visit(folder: string, prefix: string, way: readonly string[]): Promise<void> {
    let names: Dirent<Buffer>[];
    try {
      names = await readdir(folder, { withFileTypes: true, encoding: "buffer" });
    } catch (error) {
      this.#refuse(prefix || ".", `cannot be read: ${(error as Error).message}`);
      return;
    }
    for (const entry of names) {
      if (this.files.length >= WALKED_FILES_MAX) return;
      const name = entry.name.toString("utf8");
      const path = prefix === "" ? name : `${prefix}/${name}`;
      if (entry.isDirectory() || entry.isFile()) {
        if (isIgnored(this.#rules, path, entry.isDirectory())) continue;
      } else if (isIgnored(this.#rules, path, false) || isIgnored(this.#rules, path, true))
        continue;
      if (!Buffer.from(name).equals(entry.name)) {
        this.#refuse(path, "the name is not valid UTF-8. Rename the file or ignore it.");
        continue;
      }
      const fault = pathFault(path);
      if (fault !== undefined) this.#refuse(path, `${fault}. Rename the file or ignore it.`);
      else await this.#add(entry, join(folder, name), path, way);
    }
  }

  async #add(
    entry: Dirent<Buffer>,
    source: string,
    path: string,
    way: readonly string[],
  ): Promise<void> {
    try {
      if (entry.isSymbolicLink()) await this.#follow(source, path, way);
      else if (entry.isDirectory()) await this.visit(source, path, [...way, source]);
      else if (entry.isFile()) await this.#measure(path, source);
      else this.notes.push(`${path}: left out, it is a ${kindOf(entry)}`);
    } catch (error) {
      this.#refuse(path, `cannot be read: ${(error as Error).message}`);
    }
  }

  async #follow(link: string, path: string, way: readonly string[]): Promise<void> {
    let target: string;
    try {
      target = await realpath(link);
    } catch {
      this.#refuse(path, "is a link that leads nowhere. Remove it or add it to .contrailignore.");
      return;
    }
    if (!target.startsWith(this.#root + sep) && target !== this.#root) {
      this.#refuse(
        path,
        `is a link to ${target}, outside the folder. Copy the file in, or ignore the link.`,
      );
      return;
    }
    const stats = await stat(target, { bigint: true });
    if (stats.isFile()) this.#found(path, target, stats);
    else if (!stats.isDirectory())
      this.notes.push(`${path}: left out, it links to something that is not a file`);
    else if (way.includes(target))
      this.#refuse(path, "is a link to a folder above it, which would never end.");
    else await this.visit(target, path, [...way, target]);
  }

  /** Some at a time: one after the other, ten thousand files would take a second. */
  async #measure(path: string, source: string): Promise<void> {
    const measuring = lstat(source, { bigint: true })
      .then(
        (stats) => this.#found(path, source, stats),
        (error: Error) => this.#refuse(path, `cannot be read: ${error.message}`),
      )
      .finally(() => this.#measuring.delete(measuring));
    this.#measuring.add(measuring);
    if (this.#measuring.size >= MEASURED_AT_ONCE) await Promise.race(this.#measuring);
  }

  /** Every file that was found has been measured. */
  async measured(): Promise<void> {
    await Promise.all(this.#measuring);
  }

  #found(path: string, source: string, stats: BigIntStats): void {
    this.files.push({ path, source, size: Number(stats.size), stats });
  }

  #refuse(path: string, message: string): void {
    this.issues.push({ path, message });
  }
}

function kindOf(entry: Dirent<Buffer>): string {
  if (entry.isSocket()) return "socket";
  if (entry.isFIFO()) return "named pipe";
  return "device";
}

function overLimit(
  files: readonly FoundFile[],
  { bytesMax, filesMax }: { bytesMax: number; filesMax: number },
): SnapshotIssue | undefined {
  const bytes = bytesOf(files);
  if (bytes > bytesMax) {
    const largest = files.toSorted((a, b) => b.size - a.size).slice(0, 5);
    const list = largest.map((file) => `${file.path} (${readable(file.size)})`).join(", ");
    const message = `holds ${readable(bytes)}, the limit is ${readable(bytesMax)}. Largest: ${list}. Name what is not needed in .contrailignore.`;
    return { path: ".", message };
  }
  if (files.length <= filesMax) return undefined;
  const counts = new Map<string, number>();
  for (const { path } of files) {
    const top = path.includes("/") ? `${path.slice(0, path.indexOf("/"))}/` : path;
    counts.set(top, (counts.get(top) ?? 0) + 1);
  }
  const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 5);
  const list = most.map(([name, count]) => `${name} (${count})`).join(", ");
  const message = `holds ${files.length} files, the limit is ${filesMax}. Most are in: ${list}. Name what is not needed in .contrailignore.`;
  return { path: ".", message };
}

function readable(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const at = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${at === 0 ? bytes : (bytes / 1024 ** at).toFixed(1)} ${units[at]}`;
}

/** The second pass. Large files that are cut come after the others and one by one: they use several threads as it is. */
async function hashAll(
  files: readonly FoundFile[],
  options: ScanOptions,
  cache: StatCache | undefined,
): Promise<Hashed> {
  const entries: TreeEntry[] = [];
  const issues: SnapshotIssue[] = [];
  const mtimes = new Map<string, bigint>();
  const isLarge = (file: FoundFile): boolean =>
    options.chunked === true && file.size > CHUNK_BYTES_MAX;
  const work = async (queue: FoundFile[], workers: number): Promise<void> => {
    let next = 0;
    const worker = async (): Promise<void> => {
      const hasher = new FileHasher(options);
      for (let file = queue[next++]; file !== undefined; file = queue[next++]) {
        const { path, size, stats } = file;
        const known = cache?.find(path, stats);
        if (known !== undefined) {
          entries.push({ path, size, hash: known, executable: isExecutable(stats) });
          mtimes.set(path, stats.mtimeNs);
          continue;
        }
        const result = await hasher
          .hash(file)
          .catch((error: Error) => `cannot be read: ${error.message}`);
        if (typeof result === "string") issues.push({ path, message: result });
        else {
          entries.push(result.entry);
          mtimes.set(path, result.stats.mtimeNs);
          cache?.learn(path, result.stats, result.entry.hash);
        }
      }
    };
    await Promise.all(Array.from({ length: workers }, worker));
  };
  await work(
    files.filter((file) => !isLarge(file)),
    HASHED_AT_ONCE,
  );
  await work(files.filter(isLarge), 1);
  return { entries, issues, mtimes };
}

interface Hashed {
  readonly entries: TreeEntry[];
  readonly issues: SnapshotIssue[];
  /** Path → when the file was last written, in ns. */
  readonly mtimes: ReadonlyMap<string, bigint>;
}
