/**
 * What only the program itself can tell of its surroundings, for the record (docs/record.md): which packages it has really
 * loaded, and under which switches it runs. `contrail` for Python tells the same of Python.
 *
 * Modules that were imported are in no list that Node shows; the scripts that the engine holds are, to an inspector of
 * one's own process. Asking takes some milliseconds once and leaves no code slower. Where inspectors are forbidden the
 * loaded packages are left out.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

export type Facts = Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>;

const PACKAGES_MAX = 400;
const PACKAGE = /^(?:file:\/\/)?(\/.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//;

/** Section, field, value. Never throws: a fact that cannot be had is left out. */
export function observed(): Facts {
  const { execArgv, versions } = process;
  const { timeZone, locale } = new Intl.DateTimeFormat().resolvedOptions();
  const flags = [...execArgv, ...(process.env.NODE_OPTIONS ?? "").split(/\s+/)];
  const seed = flags.find((flag) => /^--random[-_]seed=/.test(flag))?.split("=")[1];
  return {
    frameworks: Object.fromEntries(
      [...loadedPackages()].map(([name, version]) => [`imported_${name}`, version]),
    ),
    determinism: {
      node_flags: execArgv.join(" ") || "(none)",
      math_random: seed === undefined ? "not seeded" : `seed ${seed}`,
      time_zone: timeZone,
      locale,
      icu: versions.icu ?? "(none)",
      cores_seen: availableParallelism(),
    },
  };
}

/** Name → version. */
function loadedPackages(): Map<string, string> {
  const folders = new Map<string, string>();
  for (const url of scriptsLoaded()) {
    const [, folder, name] = PACKAGE.exec(url) ?? [];
    if (folder !== undefined && name !== undefined && folders.size < PACKAGES_MAX)
      folders.set(name, url.startsWith("file:") ? fileURLToPath(`file://${folder}`) : folder);
  }
  const packages = new Map<string, string>();
  for (const [name, folder] of [...folders].sort(([a], [b]) => (a < b ? -1 : 1)))
    try {
      const { version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
      if (typeof version === "string") packages.set(name, version);
    } catch {}
  return packages;
}

function scriptsLoaded(): string[] {
  const urls: string[] = [];
  try {
    // Not imported: a Node that was built without inspectors has no such module.
    const session = new (process.getBuiltinModule("node:inspector").Session)();
    session.connect();
    try {
      session.post("Profiler.getBestEffortCoverage", (_error, reply) => {
        for (const { url } of reply?.result ?? []) urls.push(url);
      });
    } finally {
      session.disconnect();
    }
  } catch {}
  return urls;
}
