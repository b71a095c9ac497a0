/**
 * Checks the walls between the rooms of the repository: who imports whom (layers/rooms.ts), that no
 * circle of imports exists, and that pure rooms touch neither clock nor chance (layers/purity.ts).
 *
 * Own code rather than dependency-cruiser, which needs a TypeScript parser that TypeScript 7 does not
 * offer to JavaScript; this reads the whole tree in a fraction of a second.
 */
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { codeOnly } from "./layers/code-only.ts";
import { findCycles } from "./layers/cycles.ts";
import { type Import, importsOf } from "./layers/imports.ts";
import { checkPurity } from "./layers/purity.ts";
import { FEATURES, isTest, type Room, roomOf, testPackages } from "./layers/rooms.ts";
import { type Problem, reportProblems } from "./problem.ts";
import { readFiles } from "./repository-files.ts";

export const isSource = (path: string): boolean =>
  /^(?:src|web|examples|bench|e2e|scripts)\/.*\.(?:ts|tsx|mjs)$/.test(path);

/** @param files path from the root → text; only the files that `isSource` accepts */
export function checkLayers(files: ReadonlyMap<string, string>): Problem[] {
  const problems: Problem[] = [];
  const graph = new Map<string, string[]>();
  for (const [path, source] of files) {
    const code = codeOnly(source);
    const targets: string[] = [];
    for (const found of importsOf(source, code)) {
      const target = found.specifier?.startsWith(".")
        ? posix.join(posix.dirname(path), found.specifier)
        : undefined;
      if (target !== undefined && files.has(target)) targets.push(target);
      const fault = faultOf(path, found, target, files);
      if (fault !== undefined) {
        problems.push({ path, line: found.line, rule: "layers", text: fault });
      }
    }
    graph.set(path, targets);
    problems.push(...checkPurity(path, code));
  }
  for (const cycle of findCycles(graph)) {
    const text = `these files import each other in a circle: ${cycle.join(" → ")}`;
    problems.push({ path: cycle[0] as string, line: 0, rule: "layers", text });
  }
  return problems;
}

/** @returns why this import is not allowed, or undefined when it is */
function faultOf(
  path: string,
  { specifier, isType }: Import,
  target: string | undefined,
  files: ReadonlyMap<string, string>,
): string | undefined {
  const room = roomOf(path);
  if (room === undefined) return `no room in scripts/layers/rooms.ts holds ${path}`;
  if (specifier === undefined) {
    // What it loads cannot be checked; only the outermost rooms may do so.
    return /^(?:src|web)\//.test(path) && !isTest(path)
      ? "import() of a computed name cannot be checked; import by a literal name"
      : undefined;
  }
  if (target === undefined) return faultOfPackage(path, room, specifier);
  if (isSource(target) && !files.has(target)) return `${specifier} does not exist (${target})`;
  if (path.startsWith("src/") && !isTest(path) && isTest(target)) {
    return `${target} exists for tests; nothing else in src/ may need it`;
  }
  if (target.startsWith(room.folder)) return faultBetweenFeatures(path, target);
  const more = isTest(path) ? (room.testsMayImport ?? []) : [];
  if ([...room.mayImport, ...more].some((may) => isWithin(target, may))) return undefined;
  const types = room.mayImportTypes ?? [];
  if (types.some((folder) => isWithin(target, folder)))
    return isType || isTest(path)
      ? undefined
      : `${room.folder} may use nothing but types of ${types.join(", ")}: write import type`;
  const may = room.mayImport.join(", ") || "nothing outside itself";
  return `${room.folder} may import ${may}, not ${target}`;
}

/** `may` is a folder with its slash, or a file without its extension. */
const isWithin = (target: string, may: string): boolean =>
  may.endsWith("/") ? target.startsWith(may) : target.replace(/\.\w+$/, "") === may;

function faultBetweenFeatures(path: string, target: string): string | undefined {
  const featureOf = (file: string) =>
    file.startsWith(FEATURES) ? file.slice(FEATURES.length).split("/")[0] : undefined;
  const [from, to] = [featureOf(path), featureOf(target)];
  if (to === undefined || from === undefined || from === to) return undefined;
  return `the feature ${from} may not import the feature ${to}; move what both need out of ${FEATURES}`;
}

function faultOfPackage(path: string, room: Room, specifier: string): string | undefined {
  if (isBuiltin(specifier)) {
    if (room.node || isTest(path)) return undefined;
    return `${room.folder} does no I/O and may not import ${specifier}`;
  }
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  if (isTest(path) && testPackages.includes(name)) return undefined;
  for (const entry of room.packages) {
    const [packageName, folder] = entry.split(" in ");
    if (packageName === name && (folder === undefined || path.startsWith(folder))) return undefined;
  }
  const may = room.packages.join(", ") || "no npm package";
  return `${room.folder} may use ${may}, not ${name} (scripts/layers/rooms.ts)`;
}

/** Checks the repository as it is on disk. */
export const checkRepositoryLayers = (): Problem[] => checkLayers(readFiles(isSource));

if (import.meta.filename === process.argv[1]) {
  process.exitCode = reportProblems(
    checkRepositoryLayers(),
    "layers: every import keeps to its side",
  );
}
