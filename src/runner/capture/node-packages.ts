/** The packages that a Node program would import: every node_modules folder from its own up to the root. */
import { lstatSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import type { RecordValue } from "../../protocol/record-part.ts";

export interface NodePackages {
  readonly observed: Record<string, RecordValue>;
  readonly hashes: Record<string, RecordValue>;
  readonly origins: Record<string, RecordValue>;
  readonly places: readonly string[];
  readonly faults: readonly string[];
}

const PACKAGES_MAX = 20_000;

export function nodePackages(folder: string): NodePackages {
  const found = {
    observed: {} as Record<string, RecordValue>,
    hashes: {} as Record<string, RecordValue>,
    origins: {} as Record<string, RecordValue>,
    places: [] as string[],
    faults: [] as string[],
  };
  for (let at = folder; ; at = dirname(at)) {
    const modules = join(at, "node_modules");
    if (lstatSync(modules, { throwIfNoEntry: false })) {
      found.places.push(modules);
      try {
        list(modules, found);
      } catch (error) {
        found.faults.push(`${modules} cannot be read: ${(error as Error).message}`);
      }
    }
    if (dirname(at) === at) return found;
  }
}

/** One folder of packages. Those inside a package are named by their way: `a/node_modules/b`. */
function list(modules: string, found: NodePackages & { faults: string[] }, way = ""): void {
  const hashes = way === "" ? lockedHashes(modules) : new Map<string, string>();
  for (const [name, path] of namesIn(modules)) {
    if (Object.keys(found.observed).length >= PACKAGES_MAX) return;
    const key = `npm:${way}${name}`;
    // The nearest is the one that is imported.
    if (Object.hasOwn(found.observed, key)) continue;
    const version = versionOf(path);
    if (version === undefined) continue;
    found.observed[key] = version;
    const hash = hashes.get(`node_modules/${name}`);
    if (hash !== undefined) found.hashes[key] = hash;
    if (lstatSync(path).isSymbolicLink()) found.origins[key] = `link to ${realpathSync(path)}`;
    else if (lstatSync(join(path, "node_modules"), { throwIfNoEntry: false })?.isDirectory())
      list(join(path, "node_modules"), found, `${way}${name}/node_modules/`);
  }
}

function* namesIn(modules: string): Generator<[name: string, path: string]> {
  for (const name of readdirSync(modules).toSorted()) {
    if (name.startsWith(".")) continue;
    if (!name.startsWith("@")) yield [name, join(modules, name)];
    else
      for (const inner of readdirSync(join(modules, name)).toSorted())
        yield [`${name}/${inner}`, join(modules, name, inner)];
  }
}

function versionOf(path: string): string | undefined {
  try {
    const { version } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
    return typeof version === "string" ? version : undefined;
  } catch {
    return undefined;
  }
}

/** npm writes down what it installed: where each package lies, and the hash of its archive. */
function lockedHashes(modules: string): Map<string, string> {
  const hashes = new Map<string, string>();
  try {
    const { packages } = JSON.parse(readFileSync(join(modules, ".package-lock.json"), "utf8"));
    for (const [path, { integrity }] of Object.entries(
      packages as Record<string, { integrity?: unknown }>,
    ))
      if (typeof integrity === "string") hashes.set(path, integrity);
  } catch {}
  return hashes;
}
