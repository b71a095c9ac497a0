/**
 * The fault matrix: faults made on real processes, and the figure of each beside the one that passes.
 *
 *   npm run faults                       every row in full; takes an hour and more
 *   npm run faults -- --only F1,F9       some rows
 *   npm run faults -- --quick            a tenth of each, as `npm test` runs them
 *   npm run faults -- --long             also what takes ten minutes by itself
 *   npm run faults -- --only F1 --points 1-200   of the crash points of F1 only these, so that a long run can be taken in parts; the
 *                                        part with the last of them also has the sample with real processes
 *   npm run faults -- --json             the same as JSON, on stdout
 *
 * What is being done goes to stderr. Exit code 1 when a row does not pass, 2 when the command line was not understood.
 */
import { mkdirSync, rmSync } from "node:fs";
import type { Faults } from "../e2e/faults/row.ts";
import { ROWS } from "../e2e/faults/rows.ts";
import { type Outcome, outcomeTable, passes } from "../e2e/faults/table.ts";
import { tryRow } from "../e2e/faults/try-row.ts";
import { plural } from "../src/base/plural.ts";
import { readArguments, refuseArguments } from "./arguments.ts";
import { killMarked, makeOpenFolder, runFolder, runMark } from "./suite/child.ts";
import { databaseEnvironment, stopDatabase } from "./suite/database.ts";

const say = (text: string): void => void process.stderr.write(`${text}\n`);

function readRows() {
  const names = ROWS.map(({ name }) => name);
  const usage = `npm run faults -- [--only ROW[,ROW]] [--quick] [--long] [--points FROM-TO] [--json]\nrows: ${names.join(", ")}`;
  const { values } = readArguments(usage, {
    options: {
      only: { type: "string", multiple: true },
      quick: { type: "boolean", default: false },
      long: { type: "boolean", default: false },
      points: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const only = values.only?.flatMap((list) => list.toUpperCase().split(",")) ?? names;
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) refuseArguments(`There is no row ${unknown}.`, usage);
  const [, from, to] = /^(\d+)-(\d+)$/.exec(values.points ?? "") ?? [];
  if (values.points !== undefined && from === undefined)
    refuseArguments(`--points is ${values.points}; it must be two numbers, such as 1-200.`, usage);
  const points = from === undefined ? undefined : { from: Number(from), to: Number(to) };
  return { ...values, points, rows: ROWS.filter(({ name }) => only.includes(name)) };
}

const args = readRows();
// Whatever is started, however indirectly, carries the mark or works in the folder: so all of it is found.
makeOpenFolder(runFolder);
process.env.FAULTS_RUN = runMark;
process.env.TMPDIR = runFolder;
for (const name of Object.keys(process.env))
  if (/^(?:CONTRAIL_(?!TEST_DATABASE_URL)|XDG_|DATABASE_URL$)/.test(name)) delete process.env[name];

async function cleanUp(): Promise<void> {
  await stopDatabase();
  // A file system that was mounted is gone with the last process that lives in it.
  for (let killed = killMarked(runMark); killed.length > 0; killed = killMarked(runMark))
    await new Promise((resolve) => setTimeout(resolve, 50));
  mkdirSync(runFolder, { recursive: true });
  rmSync(runFolder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => {
    say(`\n${signal}: stopping`);
    void cleanUp().finally(() => process.exit(130));
  });

const faults: Faults = {
  quick: args.quick,
  long: args.long,
  points: args.points,
  say: (text) => say(`  ${text}`),
  database: async () => (await databaseEnvironment()).CONTRAIL_TEST_DATABASE_URL ?? "",
};
const outcomes: Outcome[] = [];
try {
  for (const row of args.rows) {
    say(`${row.name}: ${row.fault} …`);
    const outcome = await tryRow(row, faults);
    outcomes.push(outcome);
    say(
      `  ${outcome.skipped ?? (passes(outcome) ? "passes" : "DOES NOT PASS")}, ${outcome.seconds} s`,
    );
  }
} finally {
  await cleanUp();
}
const passed = outcomes.filter(passes).length;
if (args.json)
  process.stdout.write(`${JSON.stringify({ quick: args.quick, rows: outcomes }, null, 2)}\n`);
else process.stdout.write(`${outcomeTable(outcomes)}\n`);
const skipped = outcomes.filter((outcome) => outcome.skipped !== null).length;
const untold = outcomes.flatMap(({ findings }) => findings.filter(({ ok }) => ok === null)).length;
const notes = [
  ...(skipped === 0 ? [] : [`${skipped} cannot be tried on this machine`]),
  ...(untold === 0 ? [] : [`${plural(untold, "figure")} too noisy to tell`]),
];
const note = notes.length === 0 ? "" : ` (${notes.join(", ")})`;
(args.json ? say : console.log)(`${outcomes.length} rows, ${passed} pass${note}`);
process.exit(passed + skipped === outcomes.length ? 0 : 1);
