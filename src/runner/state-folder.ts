/**
 * What the runner keeps on disk, and where.
 *
 *   lock                 held for as long as the runner lives
 *   runner.json          which process it is
 *   ended                ids of allocations that are over and delivered, so that a late order starts none twice
 *   cache/ab/<hash>      blobs of code and checkpoints
 *   datasets/<hash>/     checked out once, read-only
 *   environments/<key>/  interpreters with packages, built anew as they were recorded
 *   allocations/node_modules/contrail   lets `import … from "contrail"` resolve from any snapshot
 *   allocations/<id>/    launch.json, processes.json, spools, code/, checkpoints/, kept/, restore/
 *
 * Sockets lie in a folder of their own, because their paths may not be longer than about 100 bytes.
 */
import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAbsent } from "../engines/process-identity.ts";
import { writePrivate } from "../engines/runner-record.ts";

/** Linux allows 107, macOS 103; the longest allocation id takes 33 of them. */
const SOCKET_PATH_MAX_BYTES = 100;
const LONGEST_SOCKET_NAME = 40;
const ENDED_MAX = 20_000;
/** Environments and versions of data that nobody has used for so long go. */
export const UNUSED_KEPT_MS = 30 * 86_400_000;

export interface StateFolder {
  readonly path: string;
  readonly cache: string;
  readonly datasets: string;
  readonly environments: string;
  readonly allocations: string;
  readonly sockets: string;
  readonly ended: EndedList;
  allocation(id: string): string;
  socket(id: string): string;
  /** Ids of the allocations that an earlier runner left here. */
  leftovers(): string[];
}

/** Makes the folders; the caller holds the lock. */
export function openStateFolder(path: string, repoRoot: string): StateFolder {
  const inside = (name: string) => join(path, name);
  for (const name of ["cache", "datasets", "allocations"])
    mkdirSync(inside(name), { recursive: true, mode: 0o700 });
  const sockets = socketFolder(path);
  linkPackage(inside("allocations"), repoRoot);
  return {
    path,
    cache: inside("cache"),
    datasets: inside("datasets"),
    environments: inside("environments"),
    allocations: inside("allocations"),
    sockets,
    ended: new EndedList(inside("ended")),
    allocation: (id) => join(inside("allocations"), id),
    socket: (id) => join(sockets, `${id}.sock`),
    leftovers: () => readdirSync(inside("allocations")).filter(isFolderName),
  };
}

/** An allocation's id that can name its folder; every id that the server makes can. */
export const isFolderName = (id: string): boolean =>
  /^[0-9]+(\.[0-9]+)*$/.test(id) && id.length <= LONGEST_SOCKET_NAME - ".sock".length;

/** The same folder for the same state, so that a successor recognizes processes by it. */
function socketFolder(state: string): string {
  const near = join(state, "s");
  const fits = Buffer.byteLength(near) + LONGEST_SOCKET_NAME <= SOCKET_PATH_MAX_BYTES;
  const name = `contrail-${process.getuid?.() ?? 0}-${createHash("sha256").update(state).digest("hex").slice(0, 12)}`;
  const folder = fits ? near : join(tmpdir(), name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  const ours =
    found.isDirectory() &&
    (found.mode & 0o077) === 0 &&
    found.uid === (process.getuid?.() ?? found.uid);
  if (ours) return folder;
  throw new Error(
    `${folder} is needed for sockets, but it is not a private folder of user id ${process.getuid?.()}. Remove it, or choose a data folder with a shorter path.`,
  );
}

/** Outside a node_modules folder on its real path, the package's own TypeScript may be run as it is. */
function linkPackage(allocations: string, repoRoot: string): void {
  const modules = join(allocations, "node_modules");
  mkdirSync(modules, { recursive: true });
  rmSync(join(modules, "contrail"), { force: true });
  symlinkSync(repoRoot, join(modules, "contrail"));
}

/** Allocations that are over; the last 20,000 are remembered. */
export class EndedList {
  readonly #path: string;
  readonly #ids: Set<string>;
  /** Known, and not on disk. */
  readonly #unwritten = new Set<string>();

  constructor(path: string) {
    this.#path = path;
    const ids = existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
    this.#ids = new Set(ids.slice(-ENDED_MAX));
    if (ids.length > ENDED_MAX) writeFileSync(path, [...this.#ids, ""].join("\n"));
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** @throws the file system's error; then only this process remembers it */
  add(id: string): void {
    if (this.#ids.has(id) && !this.#unwritten.has(id)) return;
    this.#ids.add(id);
    this.#unwritten.add(id);
    appendFileSync(this.#path, `${id}\n`);
    this.#unwritten.delete(id);
  }
}

/** What is known of an allocation before anything of it runs. */
export interface LaunchNote {
  readonly id: string;
  readonly fence: number;
}

export const writeLaunchNote = (folder: string, note: LaunchNote): void =>
  writePrivate(join(folder, "launch.json"), JSON.stringify(note));

/**
 * @returns undefined when the runner died before it was written: then nothing was started either
 * @throws what keeps us from reading it (EMFILE, EIO): it would say the same of what runs
 */
export function readLaunchNote(folder: string): LaunchNote | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, "launch.json"), "utf8")) as LaunchNote;
  } catch (error) {
    if (error instanceof SyntaxError || isAbsent(error)) return undefined;
    throw error;
  }
}

/** Process groups of the ranks. */
export interface ProcessNote {
  readonly machineBoot: string;
  readonly groups: readonly { readonly group: number; readonly started: string | null }[];
}

export const writeProcessNote = (folder: string, note: ProcessNote): void =>
  writePrivate(join(folder, "processes.json"), JSON.stringify(note));

export function readProcessNote(folder: string): ProcessNote | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, "processes.json"), "utf8")) as ProcessNote;
  } catch {
    return undefined;
  }
}
