/**
 * Which interpreters a command line starts, found by reading it: the words themselves, a script's first line, the text
 * behind `sh -c`, and the programs that run other programs. Nothing is executed; what cannot be read is said.
 *
 * Looking at the processes afterwards was refused: a program's real path forgets the virtual environment it was started
 * from, and a trial of a tenth of a second is gone before anybody looks.
 */
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { MACHINE_FILES, type ProgramFile, type ProgramFiles } from "./program-files.ts";
import { type ShellWord, simpleCommands } from "./shell-words.ts";

export interface Program {
  readonly kind: "python" | "node" | "binary";
  /** What to start in its place to ask it something: the interpreter with whatever stands before it, and its flags. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
}

export interface Reading {
  /** In the order in which they stand there, each once. */
  readonly programs: readonly Program[];
  /** What could not be read, as sentences. */
  readonly unclear: readonly string[];
  /** The command installs packages itself, with these words. */
  readonly installs: readonly string[];
}

interface Place {
  readonly env: Record<string, string>;
  folder: string;
}

const DEPTH_MAX = 4;
const PYTHON = /^(?:python|pypy)[0-9.]*$/;
const NODE = /^(?:node|nodejs)$/;
const SHELL = /^(?:sh|bash|dash|zsh|ksh|ash)$/;
/** They start the program that follows them, in an environment that they choose or change. */
const WRAPPERS: ReadonlySet<string> = new Set([
  ...[
    "env",
    "nice",
    "ionice",
    "timeout",
    "stdbuf",
    "setsid",
    "numactl",
    "taskset",
    "chrt",
    "catchsegv",
  ],
  ...[
    "uv",
    "poetry",
    "pipenv",
    "conda",
    "mamba",
    "micromamba",
    "pixi",
    "hatch",
    "rye",
    "pdm",
    "xvfb-run",
  ],
]);
const PREFIXES: ReadonlySet<string> = new Set(["exec", "command", "builtin", "time", "nohup"]);
/** They start it several times, or elsewhere: the interpreter is asked without them. */
const LAUNCHERS: ReadonlySet<string> = new Set(["mpirun", "mpiexec", "srun", "horovodrun", "npx"]);
/** Of a shell, or so small that nobody asks which version. */
const PLAIN: ReadonlySet<string> = new Set([
  ...[
    "echo",
    "printf",
    "cd",
    "export",
    "set",
    "unset",
    "source",
    ".",
    "true",
    "false",
    "test",
    "[",
    "[[",
  ],
  ...[
    "sleep",
    "date",
    "ls",
    "cat",
    "mkdir",
    "cp",
    "mv",
    "rm",
    "touch",
    "ln",
    "chmod",
    "pwd",
    "exit",
    "wait",
  ],
  ...[
    "trap",
    "ulimit",
    "umask",
    "read",
    "shift",
    "return",
    "local",
    "tee",
    "grep",
    "sed",
    "head",
    "tail",
  ],
  ...["nvidia-smi", "hostname", "whoami", "id", "uname", "which", "eval", "in", "kill", ":"],
]);

/** @param env as the program gets it @param folder where it starts @param files of the place in which it starts */
export function readEntrypoint(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  folder: string,
  files: ProgramFiles = MACHINE_FILES,
): Reading {
  const reader = new Reader(files);
  reader.words(
    argv.map((text) => ({ text, unclear: false })),
    { env: { ...env }, folder },
    0,
  );
  const { programs, unclear, installs } = reader;
  return { programs, unclear, installs };
}

class Reader implements Reading {
  readonly programs: Program[] = [];
  readonly unclear: string[] = [];
  readonly installs: string[] = [];
  readonly #files: ProgramFiles;

  constructor(files: ProgramFiles) {
    this.#files = files;
  }

  words(all: readonly ShellWord[], place: Place, depth: number): void {
    const own: Place = { env: { ...place.env }, folder: place.folder };
    let at = 0;
    for (; at < all.length; at++) {
      const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(all[at]?.text ?? "");
      if (match === null) break;
      // Before a command they are its own, alone they are the shell's.
      const target = at === all.length - 1 ? place.env : own.env;
      target[match[1] as string] = match[2] as string;
    }
    while (PREFIXES.has(all[at]?.text ?? "")) at += 1;
    const words = all.slice(at);
    const first = words[0];
    if (first === undefined) return;
    if (first.unclear) return this.#unknown(words, "its first word is known only when it runs");
    const name = basename(first.text);
    if (PYTHON.test(name) || NODE.test(name)) return this.#interpreter(words, 0, own);
    if (SHELL.test(name)) return this.#shell(words, own, depth);
    if (WRAPPERS.has(name) || LAUNCHERS.has(name)) return this.#wrapped(words, own, depth);
    if (/^pip[0-9.]*$/.test(name) || (name === "apt-get" && words[1]?.text === "install"))
      return void this.installs.push(line(words));
    if (this.#ofShell(name, words, place) || PLAIN.has(name)) return;
    this.#file(words, own, depth);
  }

  /** Built-in commands that change what follows. */
  #ofShell(name: string, words: readonly ShellWord[], place: Place): boolean {
    const argument = words[1]?.text ?? "";
    if (name === "cd" && argument !== "") {
      if (words[1]?.unclear)
        this.unclear.push(`the folder of \`${line(words)}\` is known only when it runs`);
      else place.folder = resolve(place.folder, argument);
      return true;
    }
    if (name === "export") {
      for (const { text } of words.slice(1)) {
        const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text);
        if (match) place.env[match[1] as string] = match[2] as string;
      }
      return true;
    }
    if ((name === "source" || name === ".") && /\/bin\/activate$/.test(argument)) {
      const bin = dirname(resolve(place.folder, argument));
      place.env.VIRTUAL_ENV = dirname(bin);
      place.env.PATH = `${bin}${delimiter}${place.env.PATH ?? ""}`;
      return true;
    }
    return false;
  }

  /** @param at where the interpreter's word stands */
  #interpreter(words: readonly ShellWord[], at: number, place: Place): void {
    const name = basename(words[at]?.text ?? "");
    const kind = PYTHON.test(name) ? "python" : "node";
    const flags: string[] = [];
    let next = at + 1;
    for (; kind === "python" && next < words.length; next++) {
      const word = words[next]?.text ?? "";
      // Unbuffered or not is the same to everybody who asks something.
      if (word === "-u") continue;
      if (/^-[EIsSOuBPbdvq]+$/.test(word)) flags.push(word);
      else if (word === "-X" || word === "-W") flags.push(word, words[++next]?.text ?? "");
      else break;
    }
    if (kind === "python" && words[next]?.text === "-m" && words[next + 1]?.text === "pip")
      return void this.installs.push(line(words));
    this.#add(kind, [...words.slice(0, at + 1).map(({ text }) => text), ...flags], place);
  }

  #shell(words: readonly ShellWord[], place: Place, depth: number): void {
    for (let at = 1; at < words.length; at++) {
      const word = words[at]?.text ?? "";
      if (/^-[a-z]*c[a-z]*$/.test(word)) {
        if (/l/.test(word))
          this.unclear.push(
            `\`${line(words.slice(0, at + 1))}\` reads the profile of a login first`,
          );
        return this.script(words[at + 1]?.text ?? "", place, depth);
      }
      if (word.startsWith("-") || word.startsWith("+")) continue;
      // The file of this name in its folder; only where there is none, some shells look on the PATH.
      const own = word.includes("/") ? undefined : this.#find(`./${word}`, place);
      return this.#file(words.slice(at), place, depth, own);
    }
  }

  script(text: string, place: Place, depth: number): void {
    if (depth >= DEPTH_MAX)
      return void this.unclear.push(`scripts that start scripts, more than ${DEPTH_MAX} deep`);
    for (const words of simpleCommands(text, place.env)) this.words(words, place, depth + 1);
  }

  /** A program that starts another: asked with everything before it, so that it is the one that would be started. */
  #wrapped(words: readonly ShellWord[], place: Place, depth: number): void {
    const launcher = LAUNCHERS.has(basename(words[0]?.text ?? ""));
    for (let at = 1; at < words.length; at++) {
      const { text, unclear } = words[at] as ShellWord;
      const name = basename(text);
      if (unclear) break;
      if (PYTHON.test(name) || NODE.test(name))
        return launcher
          ? this.#interpreter(words.slice(at), 0, place)
          : this.#interpreter(words, at, place);
      if (SHELL.test(name) || WRAPPERS.has(name)) return this.words(words.slice(at), place, depth);
      const variable = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text);
      if (variable) place.env[variable[1] as string] = variable[2] as string;
      else if (!text.startsWith("-") && !/^[0-9.]+[smhd]?$/.test(text) && text !== "run")
        if (this.#find(text, place)?.executable) return this.#file(words.slice(at), place, depth);
    }
    this.#unknown(words, "the program that it starts is not to be seen in its words");
  }

  #find(word: string, { env, folder }: Place): ProgramFile | undefined {
    return this.#files.find(word, env.PATH ?? "", folder);
  }

  /** A file that is started: its first line says by what. */
  #file(
    words: readonly ShellWord[],
    place: Place,
    depth: number,
    file = this.#find(words[0]?.text ?? "", place),
  ): void {
    if (file === undefined) return this.#unknown(words, "there is no such file to look into");
    const { path, bytes: text } = file;
    const by = /^#! *(\S+)(?: +([^\n]*))?/.exec(text.toString("utf8", 0, 512));
    if (by === null && !isText(text)) return this.#add("binary", [path], place);
    // A shim of pyenv stands in for a program of the interpreter beside it.
    if (basename(dirname(path)) === "shims" && text.includes("pyenv"))
      return this.#interpreter([{ text: join(dirname(path), "python"), unclear: false }], 0, place);
    const interpreter = by?.[1] ?? "/bin/sh";
    const argument = (by?.[2] ?? "").trim();
    if (SHELL.test(basename(interpreter)) || SHELL.test(argument))
      return this.script(text.toString("utf8"), place, depth);
    const all = [
      interpreter,
      ...argument.split(/ +/).filter((part) => part !== "" && part !== "-S"),
    ];
    this.words(
      all.map((part) => ({ text: part, unclear: false })),
      place,
      depth + 1,
    );
  }

  #add(kind: Program["kind"], command: readonly string[], { env, folder }: Place): void {
    const same = (one: Program): boolean =>
      one.kind === kind && one.command.join("\0") === command.join("\0");
    if (!this.programs.some(same)) this.programs.push({ kind, command, env, folder });
  }

  #unknown(words: readonly ShellWord[], why: string): void {
    this.unclear.push(`\`${line(words)}\`: ${why}`);
  }
}

const LINE_CHARS_MAX = 200;
const line = (words: readonly ShellWord[]): string =>
  words
    .map(({ text, unclear }) => (unclear ? `${text}…` : text))
    .join(" ")
    .slice(0, LINE_CHARS_MAX);

const isText = (bytes: Buffer): boolean => !bytes.subarray(0, 512).includes(0);
