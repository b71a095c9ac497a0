/**
 * Which files of a folder stay out of its snapshot: the patterns of `.contrailignore`, in the words of
 * .gitignore. Served: comments, `!` (take back in), a trailing `/` (folders only), a leading or inner `/`
 * (anchored at the root), `*`, `?`, `**`, `[a-z]`, and a backslash before a character that is meant
 * as it is. As with git, what lies in an ignored folder cannot be taken back in. The last pattern that
 * fits decides.
 */
import { type Glob, parseGlob } from "./glob.ts";

export const defaultIgnores = [".git", "node_modules", "__pycache__", ".venv", ".contrail"];

export type IgnoreRule = {
  readonly pattern: Glob;
  readonly folderOnly: boolean;
  readonly takeBack: boolean;
};

/** @param text the content of an ignore file */
export function parseIgnoreFile(text: string): IgnoreRule[] {
  return text.split(/\r?\n/).flatMap(parseLine);
}

function parseLine(raw: string): IgnoreRule[] {
  let line = raw.slice(0, endOfPattern(raw));
  if (line === "" || line.startsWith("#")) return [];
  const takeBack = line.startsWith("!");
  if (takeBack) line = line.slice(1);
  const folderOnly = line.endsWith("/");
  let end = line.length;
  while (line[end - 1] === "/") end -= 1;
  line = line.slice(0, end);
  if (line === "") return [];
  return [{ pattern: parseGlob(line, line.includes("/")), folderOnly, takeBack }];
}

/** Trailing spaces do not count unless they are escaped. Not by a regular expression, which would be slow. */
function endOfPattern(line: string): number {
  let end = line.length;
  while ((line[end - 1] === " " || line[end - 1] === "\t") && line[end - 2] !== "\\") end -= 1;
  return end;
}

/** @param path relative, with forward slashes; its folders have been asked about before */
export function isIgnored(rules: readonly IgnoreRule[], path: string, isFolder: boolean): boolean {
  const last = rules.findLast((rule) => (isFolder || !rule.folderOnly) && rule.pattern.fits(path));
  return last !== undefined && !last.takeBack;
}
