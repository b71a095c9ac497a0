/** Starts a small program, waits for a bounded time, and takes a bounded answer. */
import { spawn } from "node:child_process";

export interface Asked {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly limitMs: number;
  readonly signal?: AbortSignal;
  /** From `findSetpriv`: ends it when the runner dies. */
  readonly setpriv?: string | null;
}

const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const COMPLAINT_CHARS_MAX = 300;

/** @returns what it wrote to stdout @throws Error in words: it could not be started, failed, or took too long */
export function ask(asked: Asked): Promise<string> {
  const { command, env, folder, limitMs, signal, setpriv } = asked;
  const [file, ...args] = setpriv ? [setpriv, "--pdeathsig", "KILL", "--", ...command] : command;
  const name = command[0];
  return new Promise((resolve, reject) => {
    const child = spawn(file as string, args, {
      ...{ cwd: folder, env, detached: true },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    let complaint = "";
    let fault: string | null = null;
    const end = (why: string): void => {
      fault ??= why;
      // Its whole group: it may have started others.
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {}
    };
    const timer = setTimeout(
      () => end(`${name} did not answer within ${limitMs / 1000} s`),
      limitMs,
    );
    const abort = (): void =>
      end(String((signal?.reason as Error)?.message ?? "not needed any more"));
    signal?.addEventListener("abort", abort, { once: true });
    child.stdout.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX) end(`${name} wrote more than ${ANSWER_BYTES_MAX} bytes`);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint = (complaint + text).slice(-COMPLAINT_CHARS_MAX);
    });
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    child.on("error", (error) => {
      done();
      reject(new Error(`${name} could not be started: ${error.message}`));
    });
    child.on("close", (code, killed) => {
      done();
      if (fault === null && code === 0) return resolve(Buffer.concat(chunks).toString("utf8"));
      const how = killed ?? `exit code ${code}`;
      const said = complaint.trim() === "" ? "" : `: ${complaint.trim()}`;
      reject(new Error(fault ?? `${name} ended with ${how}${said}`));
    });
    if (signal?.aborted) abort();
  });
}
