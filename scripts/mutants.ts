/**
 * Shows that the simulator bites: applies each patch of src/sim/mutants to a copy of the sources, runs seeds there until a rule
 * is broken, and demands that each patch is found out.
 *
 *   npm run mutants [-- --seeds 10000] [--only name,name] [--threads 2]
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { repositoryRoot } from "./repository-files.ts";

const PATCHES = join(repositoryRoot, "src/sim/mutants");
const COPIED = ["src", "scripts", "package.json", "tsconfig.json"];
const NOT_COPIED = /(?:^|\/)(?:node_modules|__pycache__)(?:\/|$)/;

interface Found {
  readonly name: string;
  /** What the patch breaks, in its own words. */
  readonly what: string;
  /** The last line that the simulator printed about it; undefined = not found. */
  readonly seed: string | undefined;
  readonly problem: string | undefined;
}

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "10000" },
    only: { type: "string" },
    threads: { type: "string" },
  },
});

function copyOfSources(): string {
  const folder = mkdtempSync(join(tmpdir(), "contrail-mutant-"));
  for (const name of COPIED)
    cpSync(join(repositoryRoot, name), join(folder, name), {
      recursive: true,
      filter: (path) => !NOT_COPIED.test(path.slice(repositoryRoot.length)),
    });
  symlinkSync(join(repositoryRoot, "node_modules"), join(folder, "node_modules"));
  return folder;
}

function tryMutant(name: string): Found {
  const patch = join(PATCHES, `${name}.patch`);
  const what = readFileSync(patch, "utf8").split("\n")[0] ?? "";
  const folder = copyOfSources();
  try {
    const applied = spawnSync("git", ["apply", "-C1", patch], { cwd: folder, encoding: "utf8" });
    if (applied.status !== 0)
      return { name, what, seed: undefined, problem: `does not apply: ${applied.stderr.trim()}` };
    const args = ["scripts/sim.ts", "--until-broken", "--seeds", values.seeds];
    if (values.threads !== undefined) args.push("--threads", values.threads);
    const run = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
    const seed = run.stdout.split("\n").find((line) => line.startsWith("seed "));
    if (run.status === 1 && seed !== undefined) return { name, what, seed, problem: undefined };
    const last = run.stdout.trim().split("\n").at(-1) ?? "";
    const problem =
      run.status === 0
        ? `not found: ${last}`
        : `ended with ${run.status}: ${run.stderr.slice(-500)}`;
    return { name, what, seed: undefined, problem };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const names = readdirSync(PATCHES)
  .filter((file) => file.endsWith(".patch"))
  .map((file) => file.slice(0, -".patch".length))
  .filter((name) => values.only === undefined || values.only.split(",").includes(name))
  .sort();
let missed = 0;
for (const name of names) {
  const { what, seed, problem } = tryMutant(name);
  if (problem !== undefined) missed += 1;
  console.log(`${problem === undefined ? "found" : "MISSED"} ${name}: ${what}`);
  console.log(`      ${(seed ?? problem ?? "").slice(0, 240)}`);
}
console.log(`${names.length} mutants, ${names.length - missed} found`);
process.exitCode = missed === 0 && names.length > 0 ? 0 : 1;
