/** Runs a program with arguments, no shell between; what it prints, and how it ended. At most a few at a time. */
import { execFile } from "node:child_process";

export interface Ran {
  /** null when it was killed, by the time limit above all. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @throws Error when there is no such program */
export type RunCommand = (
  command: string,
  args: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly timeoutMs: number },
) => Promise<Ran>;

const OUTPUT_BYTES_MAX = 256 << 20;

export const runCommand: RunCommand = (command, args, { env, timeoutMs }) =>
  new Promise((resolve, reject) => {
    const killSignal: NodeJS.Signals = "SIGKILL";
    const options = { env, timeout: timeoutMs, killSignal, maxBuffer: OUTPUT_BYTES_MAX };
    execFile(command, [...args], options, (error, stdout, stderr) => {
      const { code = 0 } = (error ?? {}) as { code?: number | string | null };
      if (typeof code === "string") reject(error);
      else resolve({ code, stdout, stderr });
    });
  });

/** The same, no more than `most` at once: a hundred launches are not to start a hundred programs. */
export function fewAtATime(run: RunCommand, most: number): RunCommand {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (...call) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await run(...call);
    } finally {
      // Its place goes to who waits longest, or nobody.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
