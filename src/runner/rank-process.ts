/**
 * One rank: a process in its own session and process group, whose output is read as bytes and whose
 * end is told as the kernel told it.
 *
 * Where `setpriv` exists it is put in front (it replaces itself with the program, so the pid stays):
 * it asks the kernel to kill the rank when the runner dies. That hides a missing program behind
 * setpriv's own exit code, so the program is looked up before.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, statSync, writeFileSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { isNoRoom } from "./backoff.ts";
import { signalGroup } from "./process-scan.ts";
import type { Rank, RankSinks } from "./rank.ts";

export interface RankCommand {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** From `findSetpriv`. */
  readonly setpriv: string | null;
}

export class LaunchError extends Error {
  override name = "LaunchError";
}

/** @throws LaunchError when the program is missing or cannot be started; or what the system says that has no room for it now */
export async function startRank(command: RankCommand, sinks: RankSinks): Promise<Rank> {
  const program = findProgram(command.argv[0]!, command.env.PATH ?? "", command.cwd);
  const argv = [program, ...command.argv.slice(1)];
  const [file, ...args] =
    command.setpriv === null ? argv : [command.setpriv, "--pdeathsig", "KILL", "--", ...argv];
  let child: ChildProcess;
  try {
    child = spawn(file!, args, {
      cwd: command.cwd,
      env: command.env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (cause) {
    throw launchError(command.argv, cause as Error);
  }
  if (child.pid === undefined) {
    const cause = await new Promise<Error>((tell) => child.once("error", tell));
    throw launchError(command.argv, cause);
  }
  preferForOomKiller(child.pid);
  return watch(child, sinks);
}

/** When the machine runs out of memory, a trial may die of it; the runner and the server should not. */
function preferForOomKiller(pid: number): void {
  if (process.platform !== "linux") return;
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, "500");
  } catch {} // Gone already, or a system that does not let us: the kernel's own choice stands.
}

function watch(child: ChildProcess, sinks: RankSinks): Rank {
  const pipes = [child.stdout!, child.stderr!];
  let open = pipes.length;
  for (const [index, pipe] of pipes.entries()) {
    const name = index === 0 ? "stdout" : "stderr";
    pipe.on("data", (chunk: Buffer) => sinks.output(name, chunk));
    pipe.on("error", () => {}); // A broken pipe ends it; `close` follows.
    pipe.on("close", () => {
      open -= 1;
      if (open === 0) sinks.closed();
    });
  }
  child.on("error", () => {}); // A signal that could not be delivered; the exit is what counts.
  let over = false;
  child.on("exit", (code, signal) => {
    over = true;
    sinks.exited({ code, signal });
  });
  return {
    pid: child.pid!,
    group: child.pid!,
    signal: (name) => {
      // The number of one that has ended may be somebody else's by now.
      if (!over) signalGroup(child.pid!, name);
    },
    pause: () => {
      for (const pipe of pipes) pipe.pause();
    },
    resume: () => {
      for (const pipe of pipes) pipe.resume();
    },
    abandonPipes: () => {
      for (const pipe of pipes) pipe.destroy();
    },
  };
}

function launchError(argv: readonly string[], cause: Error): Error {
  if (isNoRoom(cause)) return cause;
  const { code } = cause as NodeJS.ErrnoException;
  const hint =
    code === "E2BIG"
      ? " The hyperparameters or environment variables are too long for the system."
      : "";
  return new LaunchError(`entrypoint: ${argv[0]} could not be started: ${cause.message}.${hint}`, {
    cause,
  });
}

/** Where a shell would find the program. @throws LaunchError */
export function findProgram(name: string, path: string, cwd: string): string {
  const places = name.includes("/")
    ? [isAbsolute(name) ? name : resolve(cwd, name)]
    : path.split(delimiter).map((folder) => join(folder || ".", name));
  let denied: string | undefined;
  for (const place of places) {
    try {
      if (!statSync(place).isFile()) continue;
    } catch {
      continue;
    }
    try {
      accessSync(place, constants.X_OK);
      return place;
    } catch {
      denied ??= place;
    }
  }
  if (denied !== undefined)
    throw new LaunchError(
      `entrypoint: ${denied} is not executable. Name its interpreter (python3 ${name}), or chmod +x it and submit again.`,
    );
  throw new LaunchError(
    name.includes("/")
      ? `entrypoint: there is no file ${name} in the code snapshot. Paths are relative to the folder that was submitted.`
      : `entrypoint: there is no program ${name} on the PATH of the runner (${path}).`,
  );
}

/** @returns the path of a setpriv that knows --pdeathsig, or null */
export function findSetpriv(path: string): string | null {
  if (process.platform !== "linux") return null;
  try {
    return findProgram("setpriv", path, "/");
  } catch {
    return null;
  }
}
