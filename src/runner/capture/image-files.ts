/**
 * A command line of a container, read with the files of its image: a file of the same name on this machine is another one.
 * What is needed is known only while reading, so it is read again with each answer, and the image is asked for all that
 * was missing at once; the usual command needs none of it.
 */
import { randomUUID } from "node:crypto";
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { type Reading, readEntrypoint } from "./entrypoint.ts";
import {
  MACHINE_FILES,
  type ProgramFile,
  type ProgramFiles,
  SCRIPT_BYTES_MAX,
} from "./program-files.ts";

export interface Image {
  /** @returns what the program printed inside @throws Error in words */
  ask(command: readonly string[]): Promise<string>;
  /** Whether what this machine has at a path is what is there inside. */
  sees(path: string): boolean;
}

/** Scripts that start scripts. */
const ROUNDS_MAX = 8;

/**
 * Of each word, with folders and folder: a mark, how it was found and where, and its beginning.
 * By `head` alone: small images have little else.
 */
const QUESTION = `mark=$1
shift
while [ $# -ge 3 ]; do
  word=$1 path=$2 folder=$3 found= mode=
  shift 3
  case $word in
  /*) [ -f "$word" ] && found=$word ;;
  */*) [ -f "$folder/$word" ] && found=$folder/$word ;;
  *)
    set -f
    IFS=:
    for at in $path; do
      if [ -f "$at/$word" ] && [ -x "$at/$word" ]; then found=$at/$word; break; fi
    done
    unset IFS
    set +f
    [ -z "$found" ] && [ -f "$folder/$word" ] && found=$folder/$word ;;
  esac
  [ -n "$found" ] && [ -x "$found" ] && mode=x
  printf '\n%s%s\n' "$mark" "$mode:$found"
  if [ -r "$found" ]; then head -c ${SCRIPT_BYTES_MAX} "$found" || exit; fi
done`;

/** At once: together their beginnings are less than an answer may have. */
const WORDS_MAX = 100;

/** As `readEntrypoint`; what the image does not tell is unclear. */
export async function readInside(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  folder: string,
  image: Image,
): Promise<Reading> {
  const files = new ImageFiles(image);
  for (let round = 1; ; round++) {
    const reading = readEntrypoint(argv, env, folder, files);
    if (files.wanted.size === 0 || round === ROUNDS_MAX) return reading;
    try {
      await files.ask();
    } catch (error) {
      const why = `the image could not be asked what it starts: ${(error as Error).message}`;
      return { ...reading, unclear: [...reading.unclear, why] };
    }
  }
}

type Wanted = readonly [key: string, about: readonly [word: string, path: string, folder: string]];

class ImageFiles implements ProgramFiles {
  /** Key → what the question is about. */
  readonly wanted = new Map<Wanted[0], Wanted[1]>();
  readonly #known = new Map<string, ProgramFile | undefined>();
  readonly #image: Image;

  constructor(image: Image) {
    this.#image = image;
  }

  find(word: string, path: string, folder: string): ProgramFile | undefined {
    // The code lies here, as it does inside, and its program may be changing it already.
    if (word.includes("/") && this.#isHere(resolve(folder, word)))
      return MACHINE_FILES.find(word, path, folder);
    const about = [word, path, folder] as const;
    const key = JSON.stringify(about);
    if (!this.#known.has(key) && !/[\0\n]/.test(key)) this.wanted.set(key, about);
    return this.#known.get(key);
  }

  /** @throws Error in words */
  async ask(): Promise<void> {
    const all = [...this.wanted];
    this.wanted.clear();
    for (let at = 0; at < all.length; at += WORDS_MAX)
      await this.#askFor(all.slice(at, at + WORDS_MAX));
  }

  async #askFor(all: readonly Wanted[]): Promise<void> {
    const words = all.flatMap(([, about]) => about);
    const mark = randomUUID();
    const told = await this.#image.ask(["/bin/sh", "-c", QUESTION, "sh", mark, ...words]);
    const answers = told.split(`\n${mark}`).slice(1);
    all.forEach(([key], i) => {
      const [, mode, path, text = ""] = /^(x?):([^\n]+)\n(.*)$/s.exec(answers[i] ?? "") ?? [];
      // Of an empty file nobody can say what it starts.
      if (path === undefined || text === "") this.#known.set(key, undefined);
      else this.#known.set(key, { path, bytes: Buffer.from(text), executable: mode === "x" });
    });
  }

  #isHere(path: string): boolean {
    try {
      return this.#image.sees(realpathSync(path));
    } catch {
      return false;
    }
  }
}
