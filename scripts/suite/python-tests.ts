/** Runs Python's unittest in a folder and counts exactly what it did. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { makeOpenFolder, runFolder, runProgram } from "./child.ts";
import { failed, type Outcome, sum } from "./outcome.ts";

interface PythonTestRun {
  readonly python: string;
  /** Folder whose `test_*.py` are run, from the repository's root. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

interface Counted {
  readonly passed: number;
  readonly failures: readonly { readonly title: string; readonly detail: string }[];
  readonly skipped: readonly string[];
}

let runs = 0;

export async function runPythonTests(run: PythonTestRun): Promise<Outcome> {
  makeOpenFolder(runFolder);
  const results = join(runFolder, `python-${++runs}.json`);
  const ended = await runProgram({
    command: run.python,
    args: [join(import.meta.dirname, "count_unittest.py"), run.folder, results],
    env: { ...run.env, PYTHONDONTWRITEBYTECODE: "1" },
    timeoutMs: run.timeoutMs,
  });
  const counted = readCounted(results);
  if (counted === undefined) {
    const how = ended.timedOut ? "hung and was killed" : `ended with ${ended.status}`;
    return failed(`unittest in ${run.folder} ${how}`, ended.output.trim(), run.folder);
  }
  const outcome: Outcome = {
    ...counted,
    failures: counted.failures.map((failure) => ({ ...failure, where: run.folder })),
  };
  const ran = outcome.passed + outcome.failures.length + outcome.skipped.length;
  return sum([
    outcome,
    ...(ran > 0
      ? []
      : [failed(`no test in ${run.folder}`, "unittest found no test_*.py with a test")]),
    ...ended.leftRunning.map((left) => failed(`${run.folder} left a process running`, left)),
  ]);
}

function readCounted(path: string): Counted | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Counted;
  } catch {
    return undefined;
  }
}
