/**
 * Turns a folder into a tree: which files, how large, which content.
 *
 * Two passes. The first only looks at names and sizes, so that a folder that is far too large is refused in
 * a moment, with the files that make it so; the second hashes, a few files at a time. A file that changes
 * while it is read would give a snapshot that never existed: it is read again once, then refused.
 * Links are followed when they stay inside the folder; one that leads outside is an error, because a
 * snapshot without it would not run and one with it would not be this folder.
 */
import { createHash } from "node:crypto";
import { constants, type Dirent } from "node:fs";
import { type FileHandle, lstat, open, readdir, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import type { Tree, TreeEntry } from "../protocol/runner-wire.ts";
import { defaultIgnores, type IgnoreRule, isIgnored, parseIgnoreFile } from "./ignore-file.ts";
import { canonicalTree, checkTree, pathFault, type SnapshotIssue, sortTree } from "./tree.ts";

export interface ScanOptions {
  /** Name of the ignore file in the folder's root, or null for none. */
  readonly ignoreFile?: string | null;
  /** Patterns that come before the ignore file's, which can take them back. */
  readonly ignore?: readonly string[];
  readonly limits?: { readonly bytesMax?: number; readonly filesMax?: number };
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
  /** The file that holds an entry's content. */
  sourceOf(path: string): string;
}

export type ScanResult =
  | { readonly ok: true; readonly folder: ScannedFolder }
  | { readonly ok: false; readonly issues: readonly SnapshotIssue[] };

export const defaultScanLimits = { bytesMax: 512 * 1024 * 1024, filesMax: 20_000 };
const HASHED_AT_ONCE = 6;
const READ_BYTES = 256 * 1024;
const IGNORE_BYTES_MAX = 1024 * 1024;
/** Beyond this the walk itself is given up. */
const WALKED_FILES_MAX = 1_000_000;

interface Found {
  readonly path: string;
  readonly source: string;
  readonly size: number;
}

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
  const limits = { ...defaultScanLimits, ...options.limits };
  const tooMuch = overLimit(walk.files, limits);
  if (walk.issues.length > 0 || tooMuch !== undefined) {
    return { ok: false, issues: [...(tooMuch === undefined ? [] : [tooMuch]), ...walk.issues] };
  }
  const { entries, issues } = await hashAll(walk.files);
  const tree = sortTree(entries);
  const faults = [...issues, ...checkTree(tree)];
  if (faults.length > 0) return { ok: false, issues: faults };
  const { bytes: treeBytes, hash } = canonicalTree(tree);
  const bytes = tree.reduce((sum, entry) => sum + entry.size, 0);
  const sources = new Map(walk.files.map(({ path, source }) => [path, source]));
  const sourceOf = (path: string) => sources.get(path) ?? join(root, path);
  return { ok: true, folder: { tree, hash, treeBytes, bytes, notes: walk.notes, sourceOf } };
}

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
  readonly files: Found[] = [];
  readonly issues: SnapshotIssue[] = [];
  readonly notes: string[] = [];
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
      else if (entry.isFile()) this.files.push({ path, source, size: (await lstat(source)).size });
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
    const { size, ...kind } = await statKind(target);
    if (kind.isFile) this.files.push({ path, source: target, size });
    else if (!kind.isFolder)
      this.notes.push(`${path}: left out, it links to something that is not a file`);
    else if (way.includes(target))
      this.#refuse(path, "is a link to a folder above it, which would never end.");
    else await this.visit(target, path, [...way, target]);
  }

  #refuse(path: string, message: string): void {
    this.issues.push({ path, message });
  }
}

async function statKind(
  path: string,
): Promise<{ size: number; isFile: boolean; isFolder: boolean }> {
  const found = await stat(path);
  return { size: found.size, isFile: found.isFile(), isFolder: found.isDirectory() };
}

function kindOf(entry: Dirent<Buffer>): string {
  if (entry.isSocket()) return "socket";
  if (entry.isFIFO()) return "named pipe";
  return "device";
}

function overLimit(
  files: readonly Found[],
  { bytesMax, filesMax }: { bytesMax: number; filesMax: number },
): SnapshotIssue | undefined {
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
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

/** The second pass. */
async function hashAll(
  files: readonly Found[],
): Promise<{ entries: TreeEntry[]; issues: SnapshotIssue[] }> {
  const entries: TreeEntry[] = [];
  const issues: SnapshotIssue[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (let file = files[next++]; file !== undefined; file = files[next++]) {
      const result = await hashFile(file, buffer).catch(
        (error: Error) => `cannot be read: ${error.message}`,
      );
      if (typeof result === "string") issues.push({ path: file.path, message: result });
      else entries.push(result);
    }
  };
  await Promise.all(Array.from({ length: HASHED_AT_ONCE }, worker));
  return { entries, issues };
}

async function hashFile({ path, source }: Found, buffer: Buffer): Promise<TreeEntry | string> {
  for (let attempt = 1; attempt <= 2; attempt++) {
    // Neither a link nor a pipe that took the file's place in between may be opened (the latter would hang).
    const file = await open(
      source,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    try {
      const before = await file.stat({ bigint: true });
      if (!before.isFile()) return "is no longer a file.";
      const { hash, size } = await digest(file, buffer);
      const after = await file.stat({ bigint: true });
      const same =
        before.mtimeNs === after.mtimeNs &&
        before.ctimeNs === after.ctimeNs &&
        before.size === after.size;
      if (same && BigInt(size) === after.size) {
        return { path, size, hash, executable: (Number(after.mode) & 0o111) !== 0 };
      }
    } finally {
      await file.close();
    }
  }
  return "changed while it was read, twice. Wait until nothing writes to it, or ignore it.";
}

async function digest(file: FileHandle, buffer: Buffer): Promise<{ hash: string; size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, size);
    if (bytesRead === 0) return { hash: hash.digest("hex"), size };
    hash.update(buffer.subarray(0, bytesRead));
    size += bytesRead;
  }
}
