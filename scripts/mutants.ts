/**
 * Shows that the simulator bites: applies each patch of src/sim/mutants to a copy of the sources, runs seeds there until a rule
 * is broken, and demands that each patch is found out.
 *
 *   npm run mutants [-- --seeds 10000] [--only name,name] [--threads 2]
 *   npm run mutants -- --sizes small,middle,large,drawn [--finds 20]   how long that takes, by the size of the runs
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readArguments, refuseArguments } from "./arguments.ts";
import { repositoryRoot } from "./repository-files.ts";

const PATCHES = join(repositoryRoot, "src/sim/mutants");
const COPIED = ["src", "scripts", "package.json", "tsconfig.json"];
const NOT_COPIED = /(?:^|\/)(?:node_modules|__pycache__)(?:\/|$)/;

interface Found {
  /** The last line that the simulator printed about it; undefined = not found. */
  readonly seed: string | undefined;
  readonly problem: string | undefined;
}

const USAGE =
  "npm run mutants -- [--seeds N] [--only NAME[,NAME]] [--threads N] [--sizes SIZE[,SIZE] [--finds N]]";
const { values } = readArguments(USAGE, {
  options: {
    seeds: { type: "string", default: "10000" },
    only: { type: "string" },
    threads: { type: "string" },
    sizes: { type: "string" },
    finds: { type: "string", default: "20" },
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

/** @param use is given the folder of the changed sources */
function withMutant<T>(name: string, use: (folder: string) => T): T {
  const folder = copyOfSources();
  try {
    const patch = join(PATCHES, `${name}.patch`);
    const applied = spawnSync("git", ["apply", "-C1", patch], { cwd: folder, encoding: "utf8" });
    if (applied.status !== 0) throw new Error(`does not apply: ${applied.stderr.trim()}`);
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function simulate(folder: string, ...args: string[]) {
  const threads = values.threads === undefined ? [] : ["--threads", values.threads];
  return spawnSync(
    process.execPath,
    ["scripts/sim.ts", "--seeds", values.seeds, ...threads, ...args],
    { cwd: folder, encoding: "utf8" },
  );
}

function tryMutant(name: string): Found {
  try {
    return withMutant(name, (folder) => {
      const run = simulate(folder, "--until-broken");
      const seed = run.stdout.split("\n").find((line) => line.startsWith("seed "));
      if (run.status === 1 && seed !== undefined) return { seed, problem: undefined };
      const last = run.stdout.trim().split("\n").at(-1) ?? "";
      const ended = `ended with ${run.status}: ${run.stderr.slice(-500)}`;
      return { seed: undefined, problem: run.status === 0 ? `not found: ${last}` : ended };
    });
  } catch (error) {
    return { seed: undefined, problem: (error as Error).message };
  }
}

/** Processor time until a mutant is found, by the size of the runs: a mean over many findings. */
function measure(name: string, sizes: readonly string[]): string {
  return withMutant(name, (folder) => {
    const figures = sizes.map((size) => {
      const how = size === "drawn" ? [] : ["--size", size];
      const run = simulate(folder, "--json", "--broken-max", values.finds, ...how);
      const { seeds, broken, cpuMs } = JSON.parse(run.stdout) as Record<string, number>;
      const [ran = 0, found = 0, ms = 0] = [seeds, broken, cpuMs];
      const each = (ms / Math.max(1, found)).toFixed(0);
      return `${size} ${found === 0 ? ">" : ""}${each} ms (${found} in ${ran} runs of ${(ms / ran).toFixed(1)} ms)`;
    });
    return figures.join("; ");
  });
}

const all = readdirSync(PATCHES)
  .filter((file) => file.endsWith(".patch"))
  .map((file) => file.slice(0, -".patch".length))
  .sort();
const names = values.only?.split(",") ?? all;
const unknown = names.filter((name) => !all.includes(name));
if (unknown.length > 0)
  refuseArguments(
    `There is no mutant ${unknown.join(", ")}.`,
    `${USAGE}\nmutants: ${all.join(", ")}`,
  );

function findAll(): boolean {
  let missed = 0;
  for (const name of names) {
    // What the patch breaks, in its own words.
    const what = readFileSync(join(PATCHES, `${name}.patch`), "utf8").split("\n")[0] ?? "";
    const { seed, problem } = tryMutant(name);
    if (problem !== undefined) missed += 1;
    console.log(`${problem === undefined ? "found" : "MISSED"} ${name}: ${what}`);
    console.log(`      ${(seed ?? problem ?? "").slice(0, 240)}`);
  }
  console.log(`${names.length} mutants, ${names.length - missed} found`);
  return missed === 0 && names.length > 0;
}

if (values.sizes === undefined) process.exitCode = findAll() ? 0 : 1;
else for (const name of names) console.log(`${name}: ${measure(name, values.sizes.split(","))}`);
