/**
 * The packages that a Node program would import: every node_modules folder from its own up to the root.
 *
 * They lie where a person's program may have put anything, and the runner, which reads them, has other trials to hear: so
 * only regular files of a bounded size are read (a pipe would never end, a device never stop), links are followed as an
 * import follows them, and between one file and the next the runner does other things.
 */
import { constants } from "node:fs";
import { lstat, open, opendir, readlink, realpath } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { RecordValue } from "../../protocol/record-part.ts";

export interface NodePackages {
  readonly observed: Record<string, RecordValue>;
  readonly hashes: Record<string, RecordValue>;
  readonly origins: Record<string, RecordValue>;
  readonly places: readonly string[];
  readonly faults: readonly string[];
}

const PACKAGES_MAX = 20_000;
/** Names that are looked at, whether they are packages or not. */
const NAMES_MAX = 100_000;
const PACKAGE_BYTES_MAX = 1024 * 1024;
/** What npm writes of one package has some 500. */
const LOCK_BYTES_MAX = 16 * 1024 * 1024;

export interface NodeWalk {
  readonly signal: AbortSignal;
  /** Whether what this machine has at a path is what the program finds there. */
  readonly sees: (path: string) => boolean;
}

/** @throws the signal's reason */
export async function nodePackages(folder: string, how: NodeWalk): Promise<NodePackages> {
  const walk = new Walk(how);
  const { signal, sees } = how;
  for (let at = folder; ; at = dirname(at)) {
    const modules = join(at, "node_modules");
    const kind = sees(modules) ? await kindOf(modules) : undefined;
    if (kind !== undefined) {
      walk.places.push(modules);
      try {
        if (kind !== "link" || (await walk.isHere(modules))) await walk.list(modules);
      } catch (error) {
        signal.throwIfAborted();
        walk.faults.push(`${modules} cannot be read: ${(error as Error).message}`);
      }
    }
    if (dirname(at) === at) return walk;
  }
}

class Walk implements NodePackages {
  readonly observed: Record<string, RecordValue> = {};
  readonly hashes: Record<string, RecordValue> = {};
  readonly origins: Record<string, RecordValue> = {};
  readonly places: string[] = [];
  readonly faults: string[] = [];
  readonly #how: NodeWalk;
  #packages = 0;
  #names = 0;

  constructor(how: NodeWalk) {
    this.#how = how;
  }

  /** One folder of packages. Those inside a package are named by their way: `a/node_modules/b`. */
  async list(modules: string, way = ""): Promise<void> {
    const hashes = way === "" ? await lockedHashes(modules) : new Map<string, string>();
    for (const [name, path] of await this.#packagesIn(modules)) {
      this.#how.signal.throwIfAborted();
      const key = `npm:${way}${name}`;
      // The nearest is the one that is imported.
      if (Object.hasOwn(this.observed, key)) continue;
      const isLink = (await kindOf(path)) === "link";
      if (isLink && !(await this.isHere(path))) continue;
      const version = await versionOf(path);
      if (version === undefined) continue;
      if (this.#packages >= PACKAGES_MAX)
        throw new Error(`it has more than ${PACKAGES_MAX} packages, and only those are listed`);
      this.#packages += 1;
      this.observed[key] = version;
      const hash = hashes.get(`node_modules/${name}`);
      if (hash !== undefined) this.hashes[key] = hash;
      if (isLink) this.origins[key] = `link to ${await realpath(path)}`;
      else if ((await kindOf(join(path, "node_modules"))) === "folder")
        await this.list(join(path, "node_modules"), `${way}${name}/node_modules/`);
    }
  }

  /** Whether a link leads to what the program finds there, too: what it names in an image may lie here as well, or not. */
  async isHere(link: string): Promise<boolean> {
    const named = async () => resolve(dirname(link), await readlink(link));
    const path = await realpath(link).catch(named);
    if (this.#how.sees(join(path, "package.json"))) return true;
    this.faults.push(`${link} leads into the image, which is not looked into`);
    return false;
  }

  async #packagesIn(modules: string): Promise<[name: string, path: string][]> {
    const found: [string, string][] = [];
    for (const name of await this.#namesIn(modules)) {
      if (name.startsWith(".")) continue;
      const path = join(modules, name);
      if (!name.startsWith("@")) found.push([name, path]);
      else if ((await kindOf(path)) !== "link" || (await this.isHere(path)))
        for (const inner of await this.#namesIn(path))
          found.push([`${name}/${inner}`, join(path, inner)]);
    }
    return found;
  }

  async #namesIn(folder: string): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of await opendir(folder)) {
      if (this.#names >= NAMES_MAX)
        throw new Error(`more than ${NAMES_MAX} names lie there, too many to look at`);
      this.#names += 1;
      names.push(name);
    }
    return names.toSorted();
  }
}

async function kindOf(path: string): Promise<"link" | "folder" | "other" | undefined> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  return found.isSymbolicLink() ? "link" : found.isDirectory() ? "folder" : "other";
}

async function versionOf(path: string): Promise<string | undefined> {
  try {
    const { version } = JSON.parse(await textOf(join(path, "package.json"), PACKAGE_BYTES_MAX));
    return typeof version === "string" ? version : undefined;
  } catch {
    return undefined;
  }
}

/** npm writes down what it installed: where each package lies, and the hash of its archive. */
async function lockedHashes(modules: string): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  try {
    const text = await textOf(join(modules, ".package-lock.json"), LOCK_BYTES_MAX);
    const { packages } = JSON.parse(text);
    for (const [path, { integrity }] of Object.entries(
      packages as Record<string, { integrity?: unknown }>,
    ))
      if (typeof integrity === "string") hashes.set(path, integrity);
  } catch {}
  return hashes;
}

async function textOf(path: string, bytesMax: number): Promise<string> {
  // Without waiting: a pipe opens only when somebody writes.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile() || found.size > bytesMax) throw new Error("it is nothing to be read");
    const bytes = Buffer.alloc(found.size);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return bytes.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}
