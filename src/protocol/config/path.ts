/** Places in a configuration as people write them: `searcher.max_length.epochs`, `labels[0]`, `data["odd name"]`. */
import type { Path } from "./issue.ts";

const WORD = /^[^\s."[\]]+/;
const INDEX = /^\[([0-9]{1,5})\]/;
const QUOTED = /^\[("(?:[^"\\]|\\.)*")\]/;

/** @returns undefined where the text is no path. A dot before the first name may stand or be left out. */
export function parsePath(text: string): Path | undefined {
  const parts: (string | number)[] = [];
  let rest = text;
  while (rest !== "") {
    const index = INDEX.exec(rest);
    const quoted = QUOTED.exec(rest);
    if (index) parts.push(Number(index[1]));
    else if (quoted) parts.push(textOf(quoted[1] ?? ""));
    else {
      if (rest.startsWith(".")) rest = rest.slice(1);
      else if (parts.length > 0) return undefined;
      const word = WORD.exec(rest)?.[0];
      if (word === undefined) return undefined;
      parts.push(word);
      rest = rest.slice(word.length);
      continue;
    }
    rest = rest.slice((index ?? quoted)?.[0].length);
  }
  return parts.length === 0 || parts.includes("") ? undefined : parts;
}

/** An escape that JSON does not know makes no name. */
function textOf(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return "";
  }
}
