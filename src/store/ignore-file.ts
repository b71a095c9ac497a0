/**
 * Which files of a folder stay out of its snapshot: the patterns of `.contrailignore`, in the words of
 * .gitignore. Served: comments, `!` (take back in), a trailing `/` (folders only), a leading or inner `/`
 * (anchored at the root), `*`, `?`, `**`, `[a-z]`, and a backslash before a character that is meant
 * as it is. As with git, what lies in an ignored folder cannot be taken back in. The last pattern that
 * fits decides.
 */
export const defaultIgnores = [".git", "node_modules", "__pycache__", ".venv", ".contrail"];

export type IgnoreRule = {
  readonly pattern: RegExp;
  readonly folderOnly: boolean;
  readonly takeBack: boolean;
};

/** @param text the content of an ignore file */
export function parseIgnoreFile(text: string): IgnoreRule[] {
  return text.split(/\r?\n/).flatMap(parseLine);
}

function parseLine(raw: string): IgnoreRule[] {
  // Trailing spaces do not count unless the last is escaped.
  let line = raw.replace(/(?<!\\)[ \t]+$/, "");
  if (line === "" || line.startsWith("#")) return [];
  const takeBack = line.startsWith("!");
  if (takeBack) line = line.slice(1);
  const folderOnly = line.endsWith("/");
  line = line.replace(/\/+$/, "");
  if (line === "") return [];
  const anchored = line.includes("/");
  return [{ pattern: toRegExp(line.replace(/^\/+/, ""), anchored), folderOnly, takeBack }];
}

function toRegExp(glob: string, anchored: boolean): RegExp {
  const parts = glob.split("/").filter((part) => part !== "");
  let source = anchored ? "^" : "^(?:.*/)?";
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1;
    if (/^\*{2,}$/.test(part)) source += last ? ".+" : "(?:.*/)?";
    else source += segment(part) + (last ? "" : "/");
  }
  try {
    return new RegExp(`${source}$`, "su");
  } catch {
    return /(?!)/; // A set such as [z-a] fits nothing, as with git.
  }
}

function segment(glob: string): string {
  let source = "";
  for (let at = 0; at < glob.length; at++) {
    const character = String.fromCodePoint(glob.codePointAt(at) as number);
    at += character.length - 1;
    if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (character === "\\" && at + 1 < glob.length) source += literal(glob[++at] as string);
    else if (character === "[") {
      const set = /^\[([!^]?)(\]?[^\]]*)\]/.exec(glob.slice(at));
      if (set === null) source += literal(character);
      else {
        source += `[${set[1] === "" ? "" : "^/"}${(set[2] as string).replace(/[\\[\]^]/g, "\\$&")}]`;
        at += set[0].length - 1;
      }
    } else source += literal(character);
  }
  return source;
}

const literal = (character: string): string => character.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** @param path relative, with forward slashes; its folders have been asked about before */
export function isIgnored(rules: readonly IgnoreRule[], path: string, isFolder: boolean): boolean {
  for (const rule of rules.toReversed()) {
    if ((isFolder || !rule.folderOnly) && rule.pattern.test(path)) return !rule.takeBack;
  }
  return false;
}
