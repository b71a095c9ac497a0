/**
 * The real world for the two programs that run commands in it, main.ts and scripts/demo.ts: streams,
 * clock, signals, short-lived helper programs. Nothing else imports this; everything else is handed a Host.
 */
import { execFile, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { fstatSync } from "node:fs";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { realClock } from "../base/real-clock.ts";
import type { Host, Sink, Terminal } from "./cli.ts";
import { EXIT } from "./exit-code.ts";

function sinkOf(stream: NodeJS.WriteStream): Sink {
  return {
    write: (data) => void stream.write(data),
    get isTTY() {
      return stream.isTTY === true;
    },
    dumb: process.env.TERM === "dumb",
    get columns() {
      return stream.columns || 80;
    },
    get rows() {
      return stream.rows || 24;
    },
  };
}

export interface RealHostOptions {
  /**
   * What to do when whoever read our output is gone (a closed pipe, a closed terminal). `exit`: end at once,
   * nothing is lost. `interrupt`: as after Ctrl-C, for programs that have something to put in order first.
   */
  readonly whenOutputCloses: "exit" | "interrupt";
}

/** EIO and ENXIO are what a terminal that was closed gives. */
const CLOSED = new Set(["EPIPE", "EIO", "ENXIO", "ERR_STREAM_DESTROYED"]);

/** Call once: it takes over the signals and the errors of the streams. */
export function realHost({ whenOutputCloses }: RealHostOptions): Host {
  const interrupt = new AbortController();
  let caught = false;
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (!CLOSED.has(error.code ?? "")) throw error;
      // Their right, and no reason for a stack.
      if (whenOutputCloses === "exit" || !caught) process.exit(EXIT.pipeClosed);
      interrupt.abort();
    });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      const again = interrupt.signal.aborted && whenOutputCloses === "exit";
      if (!caught || again) process.exit(EXIT.interrupted);
      interrupt.abort();
    });
  return {
    env: process.env,
    cwd: process.cwd(),
    argv: process.argv.slice(2),
    stdout: sinkOf(process.stdout),
    stderr: sinkOf(process.stderr),
    clock: realClock,
    newKey: randomUUID,
    catchInterrupt() {
      caught = true;
      return interrupt.signal;
    },
    capture,
    readSecret,
    terminal,
    ask,
    edit,
    stdinHasInput,
  };
}

/** A socket is no sign of it: programs that start others leave an idle one there. */
function stdinHasInput(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || (stat.isFile() && stat.size > 0);
  } catch {
    return false;
  }
}

const CAPTURE_MS_MAX = 5_000;
const CAPTURE_BYTES_MAX = 16 * 1024 * 1024;

const capture: Host["capture"] = (command, args) =>
  new Promise((resolve) => {
    const options = { timeout: CAPTURE_MS_MAX, maxBuffer: CAPTURE_BYTES_MAX };
    execFile(command, [...args], options, (error, stdout) => {
      const code = error === null ? 0 : (error as { code?: unknown }).code;
      resolve(typeof code === "number" ? { code, stdout } : undefined);
    });
  });

const STTY_MS = 2_000;

function terminal(): Terminal | undefined {
  const { stdin, stdout } = process;
  if (!stdin.isTTY || !stdout.isTTY) return undefined;
  let typed = (_bytes: Uint8Array): void => {};
  let resized = (): void => {};
  let closed = (): void => {};
  const read = (chunk: Buffer): void => typed(chunk);
  const size = (): void => resized();
  const over = (): void => closed();
  return {
    enter(events) {
      ({ typed, resized, closed } = events);
      stdin.setRawMode(true);
      // Node leaves the terminal making \r\n of \n, which is no raw mode: editors draw with bare ones.
      spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"], timeout: STTY_MS });
      stdin.on("data", read);
      stdin.on("end", over);
      stdin.on("error", over);
      stdout.on("resize", size);
      stdin.resume();
    },
    leave() {
      stdin.off("data", read);
      stdout.off("resize", size);
      stdin.off("end", over);
      // A terminal that is gone has no mode, and who does not hear of its errors dies of them.
      try {
        stdin.setRawMode(false);
      } catch {}
      stdin.pause();
    },
  };
}

const ask: Host["ask"] = (question) => {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const lines = createInterface({ input: stdin, output: stderr });
    lines.once("SIGINT", () => process.exit(EXIT.interrupted));
    lines.once("close", () => resolve(undefined));
    lines.question(question, (answer) => {
      resolve(answer);
      lines.close();
    });
  });
};

/** By a shell, as everybody who sets EDITOR="code --wait" expects. */
const edit: NonNullable<Host["edit"]> = (editor, file) =>
  new Promise((resolve, reject) => {
    const child = spawn("/bin/sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code));
  });

const readSecret: Host["readSecret"] = (question) => {
  const { stdin, stderr } = process;
  const hidden = stdin.isTTY === true;
  if (hidden) stderr.write(question);
  // readline edits the line; what it would echo goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  return new Promise((resolve) => {
    const lines = createInterface({
      input: stdin,
      terminal: hidden,
      ...(hidden ? { output: nowhere } : {}),
    });
    let answer: string | undefined;
    lines.once("line", (line) => {
      answer = line;
      lines.close();
    });
    lines.once("SIGINT", () => process.exit(EXIT.interrupted));
    lines.once("close", () => {
      if (hidden) stderr.write("\n");
      resolve(answer);
    });
  });
};
