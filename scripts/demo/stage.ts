/** Where the demo plays: its options, its streams, Ctrl-C, and the programs of the example that it runs. */
import { spawn } from "node:child_process";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Cli, type Host, shellWord } from "../../src/cli/cli.ts";
import { CliError, EXIT } from "../../src/cli/exit-code.ts";
import { type Progress, startProgress } from "../../src/cli/progress.ts";
import { closedFolder, interrupted } from "../../src/cli/server-process.ts";

/** The clone. */
export const ROOT = resolve(import.meta.dirname, "..", "..");
export const EXAMPLE = join(ROOT, "examples", "language-id");

export interface Options {
  readonly json: boolean;
  readonly keep: boolean;
  readonly dataDir: string;
  readonly slots: number | undefined;
}

export function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      "data-dir": { type: "string" },
      slots: { type: "string" },
    },
  });
  const slots = values.slots === undefined ? undefined : Number(values.slots);
  if (slots !== undefined && !(Number.isInteger(slots) && slots > 0))
    throw new CliError("usage", `--slots is ${values.slots}; it must be a whole number from 1.`, {
      hint: "Leave it out for one slot a core.",
      exitCode: EXIT.usage,
    });
  const { json, keep } = values;
  return { json, keep, slots, dataDir: resolve(values["data-dir"] ?? defaultFolder()) };
}

/** In the clone; for root with a clone that others may not enter, where PostgreSQL's user can go. */
function defaultFolder(): string {
  return closedFolder(ROOT) === undefined
    ? join(ROOT, ".contrail", "demo")
    : "/var/lib/contrail-demo";
}

/** The demo's surroundings, made once. */
export class Demo {
  readonly options: Options;
  readonly host: Host;
  readonly cli: Cli;
  readonly interrupt: AbortSignal;
  /** Programs of the example that are running. */
  readonly #children = new Set<{ kill(): void }>();

  constructor(options: Options, real: Host) {
    this.options = options;
    // With --json stdout belongs to the last line alone.
    const stdout = options.json ? real.stderr : real.stdout;
    const env = {
      ...real.env,
      CONTRAIL_SELF: join(relative(real.cwd, ROOT) || ".", "bin", "contrail"),
    };
    this.host = { ...real, stdout, env, cwd: ROOT };
    this.cli = new Cli(this.host, { json: false, server: undefined });
    this.interrupt = real.catchInterrupt();
  }

  say(...lines: readonly string[]): void {
    for (const line of lines) this.cli.out(line);
  }

  heading(text: string): void {
    this.say("", this.cli.paint.bold(text));
  }

  progress(label: string): Progress {
    return startProgress(label, this.host.stderr, this.host.clock);
  }

  /** Work that Ctrl-C ends. */
  async during<T>(label: string, work: (progress: Progress) => Promise<T>): Promise<T> {
    const progress = this.progress(label);
    try {
      return await this.orInterrupted(work(progress));
    } finally {
      progress.stop();
    }
  }

  async orInterrupted<T>(work: Promise<T>): Promise<T> {
    if (this.interrupt.aborted) throw interrupted();
    let stop = (): void => {};
    const cut = new Promise<never>((_, reject) => {
      stop = () => reject(interrupted());
      this.interrupt.addEventListener("abort", stop, { once: true });
    });
    try {
      return await Promise.race([work, cut]);
    } finally {
      this.interrupt.removeEventListener("abort", stop);
      // Whichever lost the race may still fail; it has been answered for.
      work.catch(() => {});
    }
  }

  /** Runs one of the example's programs. @returns its stdout */
  program(name: string, ...args: readonly string[]): Promise<string> {
    return new Promise((done, fail) => {
      const child = spawn(process.execPath, [join(EXAMPLE, name), ...args], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      this.#children.add(child);
      let out = "";
      let err = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        out += text;
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        err += text;
      });
      child.once("error", fail);
      child.once("close", (code, signal) => {
        this.#children.delete(child);
        if (code === 0) return done(out);
        fail(
          new CliError(
            "example_failed",
            `${name} ended with ${signal ?? `exit code ${code}`}: ${err.trim()}`,
            {
              hint: `Run it by hand: node examples/language-id/${name} ${args.map(shellWord).join(" ")}`,
            },
          ),
        );
      });
    });
  }

  killPrograms(): void {
    for (const child of this.#children) child.kill();
  }
}
