/**
 * Starts the programs of the test run and sees to it that nothing of theirs stays alive.
 *
 * Each gets an environment with a mark of its own (CONTRAIL_TEST_RUN) and a temporary folder named by
 * that mark. What lives on after it has ended is found by the mark, wherever it was re-parented to:
 * a daemon keeps its environment, and PostgreSQL, which writes its title over its environment, keeps
 * its working folder.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "../repository-files.ts";
import { processesMarked } from "./processes.ts";

/** Names this whole test run; the mark of a single program is this and a number. */
export const runMark = `contrail-test-${randomBytes(4).toString("hex")}`;
export const runFolder = join(tmpdir(), runMark);

const OUTPUT_CHARS_MAX = 64_000;
let programs = 0;
/** Process groups of the programs that run now. */
const liveGroups = new Set<number>();
let over = false;

export interface Ended {
  /** Exit code, or the name of the signal that ended it. */
  readonly status: number | string;
  /** stdout and stderr as they came, the last 64,000 characters. */
  readonly output: string;
  readonly timedOut: boolean;
  /** What it left running, one description each; all of it has been killed. */
  readonly leftRunning: readonly string[];
}

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** A guard against a run that hangs for ever, not an expectation. */
  readonly timeoutMs: number;
}

export async function runProgram(program: Program): Promise<Ended> {
  // The run was told to stop and is about to exit; whoever asks for more may wait for that.
  if (over) return new Promise(() => {});
  const mark = `${runMark}-${++programs}`;
  const folder = join(runFolder, mark);
  makeOpenFolder(folder);
  const child = spawn(program.command, program.args, {
    cwd: program.cwd ?? repositoryRoot,
    env: {
      ...neutralEnvironment(folder),
      ...program.env,
      CONTRAIL_TEST_RUN: mark,
      TMPDIR: folder,
    },
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, so that a hung one can be ended with all that it started.
    detached: true,
  });
  const group = child.pid;
  if (group !== undefined) liveGroups.add(group);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-OUTPUT_CHARS_MAX);
    });
  }
  let timedOut = false;
  const guard = setTimeout(() => {
    timedOut = true;
    if (group !== undefined) killGroup(group);
  }, program.timeoutMs);
  const status = await new Promise<number | string>((resolve) => {
    child.on("error", (error) => resolve(`not started: ${error.message}`));
    child.on("exit", (code, signal) => {
      // "close" comes when the last output is read; something left running may hold it up for ever.
      const settle = () => resolve(code ?? (signal as string));
      child.on("close", settle);
      setTimeout(settle, 500);
    });
  });
  clearTimeout(guard);
  if (group !== undefined) liveGroups.delete(group);
  const leftRunning = await endLeftovers(mark);
  child.stdout.destroy();
  child.stderr.destroy();
  rmSync(folder, { recursive: true, force: true });
  return { status, output, timedOut, leftRunning };
}

/**
 * The environment without what would lead a test to the developer's own server, login or data, and
 * without what would make a test of the test tools a part of the run that runs it.
 */
function neutralEnvironment(home: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:CONTRAIL_|XDG_|DATABASE_URL$|NODE_TEST_CONTEXT$)/.test(name),
  );
  return { ...Object.fromEntries(kept), HOME: home };
}

/** PostgreSQL, which as root runs under another user id, has to pass through. */
export function makeOpenFolder(folder: string): void {
  mkdirSync(runFolder, { recursive: true, mode: 0o755 });
  mkdirSync(folder, { recursive: true, mode: 0o755 });
}

const GONE_WITHIN_MS = 5000;

/** Gives what is just ending a moment; whatever is still there then is reported, and killed. */
async function endLeftovers(mark: string): Promise<string[]> {
  for (let waitedMs = 0; waitedMs < GONE_WITHIN_MS; waitedMs += 50) {
    if (processesMarked(mark).length === 0) return [];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return killMarked(mark);
}

/** @returns what was killed, one description each */
export function killMarked(mark: string): string[] {
  return processesMarked(mark).map(({ pid, command }) => {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended between the look and the signal.
    }
    return `process ${pid}: ${command}`;
  });
}

/** Ends everything at once and starts nothing more: the run is over, or was told to stop. */
export function endAllPrograms(): void {
  over = true;
  for (const group of liveGroups) killGroup(group);
  killMarked(runMark);
  rmSync(runFolder, { recursive: true, force: true });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended by itself just now.
  }
}
