/**
 * The files by which an engine and a runner find each other: where they are, and the note in which a
 * runner says which process it is. The note is written by the runner, under its lock, and left behind
 * when it dies, so "which process, and does it still live" has an answer at any time.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAbsent, type ProcessIdentity } from "./process-identity.ts";

export interface RunnerRecord extends ProcessIdentity {
  readonly runnerId: string;
  /** New at each start of the runner. */
  readonly boot: string;
  /** The file that says how its ranks are containers; absent = they are processes. */
  readonly containers?: string;
}

export const runnerFiles = (dataDir: string) => {
  const state = join(dataDir, "runner");
  return {
    state,
    record: join(state, "runner.json"),
    token: join(state, "token"),
    /** What the runner prints about itself; bounded by the runner. */
    log: join(state, "runner.log"),
  };
};

/** @returns undefined when no runner has ever run there, or its note is none @throws what keeps us from looking */
export function readRunnerRecord(path: string): RunnerRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(path, "utf8")) as RunnerRecord;
    const valid = Number.isInteger(record.pid) && typeof record.started === "string";
    return valid ? record : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || isAbsent(error)) return undefined;
    throw error;
  }
}

/** Replaces a small private file in one step. */
export function writePrivate(path: string, text: string): void {
  writeFileSync(`${path}.next`, text, { mode: 0o600 });
  renameSync(`${path}.next`, path);
}
