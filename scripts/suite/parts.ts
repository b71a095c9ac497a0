/** The parts of a test run, in order. `npm test` runs all of them, `npm run check` the quick ones. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { buildPage, pageIsStale } from "../../src/cli/page-stamp.ts";
import { checkGenerated } from "../generate.ts";
import { checkRepositoryLayers } from "../layers.ts";
import { formatProblem, type Problem } from "../problem.ts";
import { repositoryFiles, repositoryRoot } from "../repository-files.ts";
import { checkRepositoryTidiness } from "../tidy.ts";
import { runProgram } from "./child.ts";
import { missingChromium } from "./chromium.ts";
import { databaseEnvironment } from "./database.ts";
import { runNodeTests } from "./node-tests.ts";
import { failed, nothing, type Outcome, passed, skipped, sum, tally } from "./outcome.ts";
import { runPythonTests } from "./python-tests.ts";
import { arrowPython, jupyterPython, motoPython, pythonVersion, torchPython } from "./venv.ts";

export interface Part {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  /** Whether it runs test files, so that a filter by path makes sense. */
  readonly hasFiles: boolean;
  /** @param filter keep the test files whose path contains one of these; empty = all */
  run(filter: readonly string[]): Promise<Outcome>;
}

const MINUTE_MS = 60_000;
const TOOL_TIMEOUT_MS = 5 * MINUTE_MS;

/** A tool that says by its exit code whether all is well; counts as one. */
async function tool(name: string, ...args: string[]): Promise<Outcome> {
  const command = join(repositoryRoot, "node_modules", ".bin", name);
  const ended = await runProgram({ command, args, timeoutMs: TOOL_TIMEOUT_MS });
  if (ended.status === 0) return passed();
  return failed(`${name} ${args.join(" ")}`, ended.output.trim() || `ended with ${ended.status}`);
}

function ofProblems(title: string, problems: readonly Problem[]): Outcome {
  for (const problem of problems.filter((p) => p.isWarning)) {
    console.log(`  ${formatProblem(problem)}`);
  }
  const errors = problems.filter((problem) => !problem.isWarning);
  return errors.length === 0 ? passed() : failed(title, errors.map(formatProblem).join("\n"));
}

/** Fixtures that tests share are named like tests, so that compiler and layers treat them as such. */
const isTestFile = (path: string): boolean =>
  /^(?:src|web|examples|scripts|bench)\/.*\.test\.ts$/.test(path) &&
  !/[-.]fixtures\.test\.ts$/.test(path);
const isProcess = (path: string): boolean => isTestFile(path) && path.endsWith(".proc.test.ts");
const isUnit = (path: string): boolean => isTestFile(path) && !isProcess(path);
const isEndToEnd = (path: string): boolean => /^e2e\/(?!web\/).*\.test\.ts$/.test(path);
/** Nearly all of their time is a cluster's own: intervals by which it plans, notices and forgets. */
const isMostlyWaiting = (path: string): boolean => path.startsWith("e2e/engines/slurm");
const isWeb = (path: string): boolean => /^e2e\/web\/.*\.test\.ts$/.test(path);

const chosen = (wanted: (path: string) => boolean, filter: readonly string[]): string[] =>
  repositoryFiles()
    .filter(wanted)
    .filter((path) => filter.length === 0 || filter.some((word) => path.includes(word)));

async function unitTests(filter: readonly string[]): Promise<Outcome> {
  const files = chosen(isUnit, filter);
  if (files.length === 0) return noFiles("unit tests (src, examples, scripts, bench)", filter);
  const env = await databaseEnvironment();
  return runNodeTests({ files, env, testTimeoutMs: 2 * MINUTE_MS, timeoutMs: 10 * MINUTE_MS });
}

/** A process for each file, at most `concurrency` at a time. */
async function oneByOne(
  files: readonly string[],
  concurrency: number,
  limits: { readonly testTimeoutMs: number; readonly timeoutMs: number },
): Promise<Outcome> {
  const env = await databaseEnvironment();
  const waiting = [...files];
  const outcomes: Outcome[] = [];
  const work = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const startMs = performance.now();
      const outcome = await runNodeTests({ files: [file], env, ...limits });
      outcomes.push(outcome);
      console.log(`  ${file}: ${tally(outcome)}, ${seconds(performance.now() - startMs)}`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return sum(outcomes);
}

/** A part whose tests have vanished must not look like one that passed. */
const noFiles = (what: string, filter: readonly string[]): Outcome =>
  filter.length > 0
    ? nothing
    : failed(`no ${what}`, "there is not one such file in the repository");

async function pythonTests(): Promise<Outcome> {
  const version = await pythonVersion();
  if (version === undefined) return skipped("Python SDK tests: python3 is not installed");
  const [major, minor] = version.split(".").map(Number);
  if (major !== 3 || (minor as number) < 9) {
    return skipped(`Python SDK tests: python3 is ${version}; 3.9 is the oldest that is served`);
  }
  return runPythonTests({
    python: "python3",
    folder: "python/tests",
    env: {},
    timeoutMs: 10 * MINUTE_MS,
  });
}

async function torchTests(): Promise<Outcome> {
  const found = await torchPython();
  if ("missing" in found) return skipped(`PyTorch tests: ${found.missing}`);
  const folders = ["python/torch_tests", "examples/digits-pytorch/tests"].filter((folder) =>
    existsSync(join(repositoryRoot, folder)),
  );
  if (folders.length === 0) return noFiles("PyTorch tests (python/torch_tests)", []);
  const env = { PYTHONPATH: join(repositoryRoot, "python") };
  const outcomes: Outcome[] = [];
  for (const folder of folders) {
    outcomes.push(
      await runPythonTests({ python: found.python, folder, env, timeoutMs: 10 * MINUTE_MS }),
    );
  }
  return sum(outcomes);
}

/** Each with the world that its sources live in: Node, none at all, a browser. */
const PROJECTS = [".", "src/core", "web", "e2e/web"];

/** The page as it is now, in a real browser. */
async function webTests(filter: readonly string[]): Promise<Outcome> {
  const files = chosen(isWeb, filter);
  if (files.length === 0) return noFiles("tests of the web page (e2e/web)", filter);
  if (pageIsStale()) {
    console.log("  building the web page …");
    const trouble = await buildPage();
    if (trouble !== undefined) return failed("the web page cannot be built", trouble, "web");
  }
  const missing = await missingChromium();
  if (missing !== undefined)
    return sum(files.map((file) => skipped(`${file}: no Chromium: ${missing}`)));
  if (files.includes("e2e/web/notebook.test.ts")) await jupyterPython();
  return oneByOne(files, 1, { testTimeoutMs: 5 * MINUTE_MS, timeoutMs: 15 * MINUTE_MS });
}

export const quickParts: readonly Part[] = [
  {
    name: "format",
    title: "format and lint",
    hasFiles: false,
    run: () => tool("biome", "check", "--colors=off", "--max-diagnostics=50"),
  },
  {
    name: "types",
    title: "types",
    hasFiles: false,
    run: async () => sum(await Promise.all(PROJECTS.map((project) => tool("tsc", "-p", project)))),
  },
  {
    name: "layers",
    title: "layers",
    hasFiles: false,
    run: async () => ofProblems("layers", checkRepositoryLayers()),
  },
  {
    name: "tidy",
    title: "tidy",
    hasFiles: false,
    run: async () => ofProblems("tidy", checkRepositoryTidiness()),
  },
  { name: "unit", title: "unit and property tests", hasFiles: true, run: unitTests },
];

const slowParts: readonly Part[] = [
  {
    name: "process",
    title: "process tests",
    hasFiles: true,
    async run(filter) {
      const files = chosen(isProcess, filter);
      if (files.length === 0) return noFiles("process tests (*.proc.test.ts)", filter);
      const limits = { testTimeoutMs: 2 * MINUTE_MS, timeoutMs: 5 * MINUTE_MS };
      return oneByOne(files, 2, limits);
    },
  },
  { name: "python", title: "Python SDK", hasFiles: false, run: pythonTests },
  { name: "pytorch", title: "PyTorch helper and example", hasFiles: false, run: torchTests },
  // After PyTorch, whose environment the examples train in.
  {
    name: "e2e",
    title: "end-to-end tests",
    hasFiles: true,
    async run(filter) {
      const files = chosen(isEndToEnd, filter);
      if (files.length === 0) return noFiles("end-to-end tests (e2e)", filter);
      // Where it cannot be had, the test of it is skipped and says so.
      if (files.includes("e2e/export.test.ts")) await arrowPython();
      if (files.includes("e2e/data-s3.test.ts")) await motoPython();
      if (files.includes("e2e/notebook.test.ts")) await jupyterPython();
      const limits = { testTimeoutMs: 10 * MINUTE_MS, timeoutMs: 15 * MINUTE_MS };
      const beside = files.filter(isMostlyWaiting);
      const others = files.filter((file) => !isMostlyWaiting(file));
      return sum(await Promise.all([others, beside].map((lane) => oneByOne(lane, 1, limits))));
    },
  },
  { name: "web", title: "web page in a browser", hasFiles: true, run: webTests },
];

const generated: Part = {
  name: "generated",
  title: "generated files are fresh",
  hasFiles: false,
  async run() {
    const { fresh, problems } = await checkGenerated();
    return sum([passed(fresh), ...problems.map((p) => failed(p.path, formatProblem(p), p.path))]);
  },
};

export const allParts: readonly Part[] = [
  ...quickParts.slice(0, -1),
  generated,
  ...quickParts.slice(-1),
  ...slowParts,
];

export const seconds = (durationMs: number): string => `${(durationMs / 1000).toFixed(1)} s`;
