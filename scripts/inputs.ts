/**
 * What bad input does, as a table: each row's tests are run, and the figures that they print are shown.
 *
 *   npm run inputs [-- --full] [I4 …]     --full: 100,000 mutated configurations, every bit of the log
 *
 * `npm test` runs the same tests; this says in one place what they found. Exit code 1 when a row fails, 2 when the
 * command line was not understood.
 */
import { join } from "node:path";
import { readArguments, refuseArguments } from "./arguments.ts";
import { repositoryRoot } from "./repository-files.ts";
import { runProgram } from "./suite/child.ts";
import { databaseEnvironment, stopDatabase } from "./suite/database.ts";

interface Row {
  readonly what: string;
  readonly files: readonly string[];
}

const HOSTILE = "src/server/http/hostile.proc.test.ts";

/** A figure is a line that a test prints and that begins with the row's name. */
const ROWS: Readonly<Record<string, Row>> = {
  I1: {
    what: "mutated configurations",
    files: [
      "src/protocol/config/config.prop.test.ts",
      "src/server/http/config-fuzz.proc.test.ts",
      "src/server/http/fuzz.proc.test.ts",
    ],
  },
  I2: {
    what: "YAML bombs",
    files: ["src/protocol/config/bombs.proc.test.ts", "src/protocol/config/yaml-tree.test.ts"],
  },
  I3: { what: "names that JavaScript gives a meaning", files: [HOSTILE] },
  I4: {
    what: "hostile snapshots",
    files: [
      "src/store/hostile-trees.proc.test.ts",
      "src/server/http/hostile-trees.proc.test.ts",
      "src/runner/hostile-trees.proc.test.ts",
      "src/cli/download.proc.test.ts",
    ],
  },
  I5: {
    what: "paths that lead elsewhere",
    files: [HOSTILE, "src/server/http/hostile-trees.proc.test.ts", "src/store/blobs.test.ts"],
  },
  I6: {
    what: "odd numbers",
    files: ["src/runner/odd-output.proc.test.ts", "src/runner/trial-message.test.ts", HOSTILE],
  },
  I7: {
    what: "odd names and output",
    files: ["src/runner/odd-output.proc.test.ts", "src/cli/inert.test.ts", HOSTILE],
  },
  I8: {
    what: "bodies too large, or not what they say",
    files: ["src/server/http/refusals.proc.test.ts"],
  },
  I9: { what: "spaces without sense", files: ["src/server/http/config-fuzz.proc.test.ts"] },
  I11: { what: "patterns made to backtrack", files: ["src/store/ignore-file.test.ts", HOSTILE] },
  S9: { what: "planted secrets", files: ["e2e/secrets.test.ts"] },
  log: {
    what: "the log of changes",
    files: ["src/store/audit-reads.proc.test.ts", "src/server/state-changes.proc.test.ts"],
  },
};

interface Ran {
  readonly passed: boolean;
  readonly figures: readonly string[];
  readonly output: string;
}

const FILE_TIMEOUT_MS = 30 * 60_000;

async function run(file: string, full: boolean): Promise<Ran> {
  const args = ["--test", "--test-reporter=tap", join(repositoryRoot, file)];
  const env = { ...(await databaseEnvironment()), ...(full ? { INPUTS: "full" } : {}) };
  const command = process.execPath;
  const ended = await runProgram({ command, args, env, timeoutMs: FILE_TIMEOUT_MS });
  const figures = ended.output
    .split("\n")
    .flatMap((line) => /^\s*# ((?:[IS]\d+|log): .*)/.exec(line)?.[1] ?? []);
  return { passed: ended.status === 0, figures, output: ended.output };
}

const usage = `npm run inputs -- [--full] [ROW …]\nrows: ${Object.keys(ROWS).join(", ")}`;
const { values, positionals } = readArguments(usage, {
  allowPositionals: true,
  options: { full: { type: "boolean", default: false } },
});
const unknown = positionals.filter((name) => !Object.hasOwn(ROWS, name));
if (unknown.length > 0) refuseArguments(`There is no row ${unknown.join(", ")}.`, usage);
const wanted = Object.entries(ROWS).filter(
  ([name]) => positionals.length === 0 || positionals.includes(name),
);
const results = new Map<string, Ran>();
let passes = 0;
for (const [name, { what, files }] of wanted) {
  for (const file of files) if (!results.has(file)) results.set(file, await run(file, values.full));
  const ran = files.map((file) => results.get(file) as Ran);
  const figures = ran.flatMap((each) => each.figures).filter((line) => line.startsWith(`${name}:`));
  // A row without a figure was not measured, whatever its tests say.
  const passed = figures.length > 0 && ran.every((each) => each.passed);
  if (passed) passes += 1;
  console.log(`${passed ? "pass" : "FAIL"}  ${name.padEnd(3)}  ${what}`);
  for (const figure of figures) console.log(`           ${figure.slice(name.length + 2)}`);
  for (const { passed: fine, output } of ran) if (!fine) console.log(output);
}
await stopDatabase();
console.log(`${wanted.length} rows, ${passes} pass`);
process.exitCode = passes === wanted.length ? 0 : 1;
