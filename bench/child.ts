/** Starts one of the benchmark's own processes and waits for the line that says it is ready. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

export interface ReadyChild<T> {
  readonly pid: number;
  /** What it said about itself. */
  readonly ready: T;
  /** Closes its stdin, which each of them takes as the word to end, and waits for that. */
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export async function startChild<T>(options: {
  readonly script: URL;
  readonly args?: readonly string[];
  readonly nodeArgs?: readonly string[];
  /** Beside what this process has. */
  readonly env?: Readonly<Record<string, string>>;
}): Promise<ReadyChild<T>> {
  const { script, args = [], nodeArgs = [], env = {} } = options;
  const child: ChildProcess = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      "--no-deprecation",
      ...nodeArgs,
      script.pathname,
      ...args,
    ],
    { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, ...env } },
  );
  const gone = once(child, "exit");
  const ready = await new Promise<T>((resolve, reject) => {
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(JSON.parse(text.slice(0, end)) as T);
    });
    child.once("error", reject);
    void gone.then(([code]) =>
      reject(new Error(`${script.pathname} ended with ${code} before it was ready`)),
    );
  });
  return {
    pid: child.pid as number,
    ready,
    async stop() {
      child.stdin?.end();
      await gone;
    },
    async kill(signal) {
      child.kill(signal);
      await gone;
    },
  };
}
