/**
 * What every command works with: the two streams, the environment, the clock and the way to the server,
 * made once in main.ts and handed on, so that a test runs a command against a fake of each.
 *
 * Output has two shapes and a command gives both at one place: `show(value, lines)` prints one JSON
 * document with --json and the lines otherwise.
 */
import { dirname } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Problem } from "../protocol/errors.ts";
import { Client } from "../sdk/client.ts";
import { checkToken, credentialsPath, findServer, type Target } from "./credentials.ts";
import type { Told } from "./field-words.ts";
import { inert, inertJson, inertPainted } from "./inert.ts";
import { NO_PAINT, type Paint, paintFor } from "./paint.ts";
import { type Progress, SILENT, startProgress } from "./progress.ts";

export interface Sink {
  write(data: string | Uint8Array): void;
  readonly isTTY: boolean;
  /** A terminal that knows no cursor, as in Emacs and in many a CI console: what moves is written as into a pipe, in lines. */
  readonly dumb?: boolean;
  /** Columns and rows of the terminal; 80 × 24 where there is none. */
  readonly columns: number;
  readonly rows: number;
}

/** A terminal whose keys are passed on one by one, Ctrl-C too, until it is left. */
export interface Terminal {
  enter(events: {
    readonly typed: (bytes: Uint8Array) => void;
    readonly resized: () => void;
    /** Nobody will type any more. */
    readonly closed: () => void;
  }): void;
  /** As it was before. */
  leave(): void;
}

/** The world outside the command. */
export interface Host {
  readonly env: { readonly [name: string]: string | undefined };
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly clock: Clock;
  readonly newKey: () => string;
  readonly fetch?: typeof globalThis.fetch;
  /** From now on Ctrl-C fires this signal instead of ending the command; a second one ends it. */
  readonly catchInterrupt: () => AbortSignal;
  /** Runs a short program and gives its output; undefined when it cannot be started. */
  readonly capture: (
    command: string,
    args: readonly string[],
  ) => Promise<{ readonly code: number; readonly stdout: string } | undefined>;
  /** True when stdin is a pipe or a file with something in it: input that somebody means to be read. */
  readonly stdinHasInput?: () => boolean;
  /** One line that a person types; undefined where nobody sits at a terminal. */
  readonly ask?: (question: string) => Promise<string | undefined>;
  /** Lets a person change a file in an editor, given as in $EDITOR; gives its exit code. */
  readonly edit?: (editor: string, file: string) => Promise<number | null>;
  /** The terminal itself, for a shell elsewhere; undefined where nobody sits at one. */
  readonly terminal?: () => Terminal | undefined;
  /** One line from stdin without showing it; undefined at the end of input. */
  readonly readSecret: (question: string) => Promise<string | undefined>;
}

export interface Globals {
  readonly json: boolean;
  readonly server: string | undefined;
  /** A problem in the words of the command that was typed; absent = as the server said it. */
  readonly told?: (problem: Problem) => Told;
}

export class Cli {
  readonly host: Host;
  readonly json: boolean;
  readonly paint: Paint;
  readonly errPaint: Paint;
  /** How the user calls this program, for lines that work when pasted. */
  readonly self: string;
  readonly told: (problem: Problem) => Told;
  readonly #server: string | undefined;

  constructor(host: Host, globals: Globals) {
    this.host = host;
    this.json = globals.json;
    this.#server = globals.server;
    this.paint = globals.json ? NO_PAINT : paintFor(host.stdout, host.env);
    this.errPaint = paintFor(host.stderr, host.env);
    this.self = selfName(host.env);
    this.told = globals.told ?? ((problem) => ({ problem, isTyped: false }));
  }

  /** Columns that a line of stdout may take; a pipe takes any. */
  get width(): number {
    return this.host.stdout.isTTY ? this.host.stdout.columns : Number.POSITIVE_INFINITY;
  }

  target(): Target {
    return findServer(this.host.env, this.#server);
  }

  client(target: { url: string; token?: string | undefined } = this.target()): Client {
    const { clock, newKey, fetch } = this.host;
    const fromEnv = target.token !== undefined && target.token === this.host.env.CONTRAIL_TOKEN;
    checkToken(target.token, fromEnv ? "CONTRAIL_TOKEN" : credentialsPath(this.host.env));
    return new Client({
      url: target.url,
      token: target.token,
      clock,
      newKey,
      ...(fetch === undefined ? {} : { fetch }),
    });
  }

  /** One line of text for people; whoever forgot to make a name inert is caught here. */
  out(line: string): void {
    this.host.stdout.write(`${this.paint === NO_PAINT ? inert(line) : inertPainted(line)}\n`);
  }
  err(line: string): void {
    this.host.stderr.write(`${this.errPaint === NO_PAINT ? inert(line) : inertPainted(line)}\n`);
  }

  /** The result of the command: `value` with --json, the lines otherwise. */
  show(value: unknown, lines: () => readonly string[]): void {
    if (this.json) this.host.stdout.write(`${inertJson(value, 2)}\n`);
    else for (const line of lines()) this.out(line);
  }

  /** One item of a stream: one line with --json, the lines otherwise. */
  item(value: unknown, lines: () => readonly string[]): void {
    if (this.json) this.host.stdout.write(`${inertJson(value)}\n`);
    else for (const line of lines()) this.out(line);
  }

  /** What one would type now. Arguments only: the program's own name is put before them. */
  next(...commands: readonly string[]): void {
    if (this.json) return;
    for (const command of commands) this.out(this.paint.dim(`next: ${this.self} ${command}`));
  }

  /** A remark for people, on stderr. */
  note(text: string): void {
    if (!this.json) this.err(this.errPaint.dim(`note: ${text}`));
  }

  /** With --json stderr is for one problem document, so nothing is said there meanwhile. */
  progress(label: string): Progress {
    return this.json ? SILENT : startProgress(label, this.host.stderr, this.host.clock);
  }

  /** Runs `work` under a progress line. */
  async during<T>(label: string, work: (progress: Progress) => Promise<T>): Promise<T> {
    const progress = this.progress(label);
    try {
      return await work(progress);
    } finally {
      progress.stop();
    }
  }
}

/** The launcher leaves in CONTRAIL_SELF how it was called; anything that a shell would not take is ignored. */
export function selfName(env: Host["env"]): string {
  const self = env.CONTRAIL_SELF ?? "";
  // Plain, or a path with spaces that the launcher put in quotes.
  return /^[\w@%+=:,./-]+$|^'[\x20-\x7e]+'$/.test(self) ? self : "contrail";
}

/** `text` as one word of a shell line. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** ` --name 'a b' --paused`: options as they were given, to be said again; those that were not are left out. */
export const optionWords = (options: {
  readonly [name: string]: string | boolean | readonly string[] | undefined;
}): string =>
  Object.entries(options)
    .flatMap(([name, given]) => {
      if (given === undefined || given === false) return [];
      if (given === true) return [` --${name}`];
      const values = typeof given === "string" ? [given] : given;
      return values.map((value) =>
        // A value that looks like an option is taken for one unless it is joined.
        value.startsWith("-") ? ` --${name}=${shellWord(value)}` : ` --${name} ${shellWord(value)}`,
      );
    })
    .join("");

/** Submits a configuration with a folder: the one that it lies in where no other is named. */
export const createCommand = (file: string, folder = dirname(file)): string =>
  `experiment create ${shellWord(file)} ${shellWord(folder)}`;
