/** A command of `contrail` on a real terminal, at which a test types. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT, type Stand, until } from "./support.ts";

export class Terminal implements Disposable {
  readonly #child: ChildProcessWithoutNullStreams;
  /** The command's exit code, when it has ended. */
  readonly ended: Promise<number | null>;
  #printed = "";
  #seen = 0;

  constructor(it: Stand, args: readonly string[], cwd: string) {
    const driver = join(ROOT, "e2e", "programs", "terminal.py");
    this.#child = spawn("python3", [driver, join(ROOT, "bin", "contrail"), ...args], {
      cwd,
      env: {
        ...it.env,
        CONTRAIL_SERVER: it.server.url,
        CONTRAIL_TOKEN: it.token,
        SHELL: "/bin/sh",
        PS1: "$ ",
      },
    });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#printed += text;
    });
    this.ended = new Promise((resolve) => {
      this.#child.once("close", resolve);
    });
  }

  type(text: string): void {
    this.#order({ type: text });
  }

  size(rows: number, cols: number): void {
    this.#order({ size: [rows, cols] });
  }

  /** As a window is closed. */
  close(): void {
    this.#order({ close: true });
  }

  /** What was printed after what was waited for last, up to these words. */
  async until(words: string): Promise<string> {
    return await until(
      `the terminal shows ${JSON.stringify(words)}`,
      () => {
        const at = this.#printed.indexOf(words, this.#seen);
        if (at === -1) return undefined;
        const text = this.#printed.slice(this.#seen, at + words.length);
        this.#seen = at + words.length;
        return text;
      },
      { state: () => this.#printed.slice(this.#seen) },
    );
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }

  #order(order: object): void {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
  }
}
