/** Runs files of node:test in a process and counts exactly what they did. */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { repositoryRoot } from "../repository-files.ts";
import { type Ended, makeOpenFolder, runFolder, runProgram } from "./child.ts";
import { type Failure, failed, nothing, type Outcome, sum } from "./outcome.ts";
import { RESULTS, type Reported } from "./reporter.ts";

export interface NodeTestRun {
  /** Paths from the repository's root. All of them share one process. */
  readonly files: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** For one test, and for the process as a whole. Guards against hanging, nothing more. */
  readonly testTimeoutMs: number;
  readonly timeoutMs: number;
}

let runs = 0;

export async function runNodeTests(run: NodeTestRun): Promise<Outcome> {
  makeOpenFolder(runFolder);
  const results = join(runFolder, `results-${++runs}.jsonl`);
  const ended = await runProgram({
    command: process.execPath,
    args: [
      "--disable-warning=ExperimentalWarning",
      "--test",
      "--test-isolation=none",
      `--test-timeout=${run.testTimeoutMs}`,
      `--test-reporter=${join(import.meta.dirname, "reporter.ts")}`,
      "--test-reporter-destination=stdout",
      ...run.files,
    ],
    env: { ...run.env, [RESULTS]: results },
    timeoutMs: run.timeoutMs,
  });
  return countResults(readResults(results), ended, run.files);
}

function readResults(path: string): Reported[] {
  try {
    const lines = readFileSync(path, "utf8").split("\n");
    // A process that was killed may have left half a line at the end.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as Reported);
  } catch {
    return [];
  }
}

/** @param files that were run, as given to Node */
export function countResults(
  results: readonly Reported[],
  ended: Ended,
  files: readonly string[],
): Outcome {
  const failures: Failure[] = [];
  const skips: string[] = [];
  let passes = 0;
  for (const result of results) {
    if (result.kind === "end" || result.kind === "begin") continue;
    const where = relativePlace(result.where);
    // node:test counts a file without any test as one that passed.
    const isFile = files.some((file) => result.title === file || result.title.endsWith(`/${file}`));
    if (result.kind === "fail") failures.push({ ...result, where });
    else if (isFile)
      failures.push({ title: result.title, where, detail: "this file holds no test" });
    else if (result.kind === "skip") skips.push(`${result.title} (${where})`);
    else passes++;
  }
  const counted: Outcome = { passed: passes, failures, skipped: skips };
  return sum([counted, faultOfProcess(results, counted, ended, files)]);
}

/** What the tests themselves could not say: that their process broke, hung or left something behind. */
function faultOfProcess(
  results: readonly Reported[],
  counted: Outcome,
  ended: Ended,
  files: readonly string[],
): Outcome {
  const name =
    files.length === 1 ? (files[0] as string) : `a process of ${files.length} test files`;
  if (ended.leftRunning.length > 0) {
    const list = ended.leftRunning.join("\n");
    return failed(`${name} left processes running`, `${list}\n(they have been killed)`, files[0]);
  }
  const reachedEnd = results.some((result) => result.kind === "end");
  const saysOtherwise = ended.status !== 0 && counted.failures.length === 0;
  if (reachedEnd && !saysOtherwise) return nothing;
  const how = ended.timedOut ? "hung and was killed" : `ended with ${ended.status}`;
  const when = reachedEnd ? "although no test failed" : "before its tests were through";
  const begun = results.findLast((result) => result.kind === "begin");
  const at = begun === undefined ? undefined : `${begun.title} (${relativePlace(begun.where)})`;
  const last = reachedEnd || at === undefined ? "" : `The test begun last: ${at}\n`;
  const output = ended.output.trim() || "It printed nothing.";
  return failed(`${name} ${how} ${when}`, `${last}${output}`, files[0]);
}

function relativePlace(where: string): string {
  const inside = relative(repositoryRoot, where);
  return inside.startsWith("..") ? where : inside;
}
