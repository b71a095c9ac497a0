/** A command as it starts programs of an environment that was built in place of the one that it names. Pure. */
import { isAbsolute, join } from "node:path";

interface Moved {
  /** Folder of the environment that was: a virtual one, or `/usr`, whose programs are mostly nobody's environment. */
  readonly prefix: string;
  readonly venv: string;
  /** @param path of a program in `venv` */
  readonly has: (path: string) => boolean;
}

/** Where a path can begin in the words of a command. */
const BEFORE = "(?<![^\\s\"'`=:;,(){}[\\]!&|<>])";

/** Programs that only the environment that was has stay as they are: `/usr/bin/env` is no package's. */
export function inVenv(words: readonly string[], { prefix, venv, has }: Moved): string[] {
  const bin = new RegExp(`${BEFORE}${escaped(prefix)}/bin/([\\w.+-]+)(?![\\w.+/-])`, "g");
  return words.map((word, at) => {
    const moved =
      prefix === ""
        ? word
        : word.replace(bin, (whole, name: string) => {
            const path = join(venv, "bin", name);
            return has(path) ? path : whole;
          });
    // An interpreter outside of any environment, by its path.
    if (at === 0 && moved === word && isAbsolute(word) && /\/(?:python|pypy)[0-9.]*$/.test(word))
      return join(venv, "bin", "python");
    return moved;
  });
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
