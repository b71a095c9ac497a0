/** The command line in the real world: real streams, clock and signals. See run-cli.ts for what it does. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import type { Clock } from "../base/clock.ts";
import type { Host, Sink } from "./cli.ts";
import { EXIT } from "./exit-code.ts";
import { runCli } from "./run-cli.ts";

const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

function sinkOf(stream: NodeJS.WriteStream): Sink {
  return {
    write: (data) => void stream.write(data),
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns || 80;
    },
    get rows() {
      return stream.rows || 24;
    },
  };
}

// Whoever reads us may stop reading; that is their right and no reason for a stack.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.pipeClosed);
    throw error;
  });

const interrupt = new AbortController();
let caught = false;
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    if (!caught || interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort();
  });

function readSecret(question: string): Promise<string | undefined> {
  const { stdin, stderr } = process;
  const hidden = stdin.isTTY === true;
  if (hidden) stderr.write(question);
  return new Promise((resolve) => {
    const lines = createInterface({
      input: stdin,
      terminal: hidden,
      // readline edits the line; what it would echo goes nowhere.
      ...(hidden ? { output: new Writable({ write: (_chunk, _encoding, done) => done() }) } : {}),
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
}

const host: Host = {
  env: process.env,
  cwd: process.cwd(),
  argv: process.argv.slice(2),
  stdout: sinkOf(process.stdout),
  stderr: sinkOf(process.stderr),
  clock,
  newKey: randomUUID,
  catchInterrupt() {
    caught = true;
    return interrupt.signal;
  },
  capture: (command, args) =>
    new Promise((resolve) => {
      execFile(
        command,
        [...args],
        { timeout: 5_000, maxBuffer: 16 * 1024 * 1024 },
        (error, stdout) => {
          const code = error === null ? 0 : (error as { code?: unknown }).code;
          resolve(typeof code === "number" ? { code, stdout } : undefined);
        },
      );
    }),
  readSecret,
};

process.exitCode = await runCli(host.argv, host);
