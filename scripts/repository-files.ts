/**
 * The files that belong to the repository: tracked, or new and not ignored. Every check reads this
 * one list, so none of them can overlook a file that another sees.
 *
 * Git knows best. A copy without Git (an unpacked archive) is walked instead, without the folders
 * that only tools write.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

export const repositoryRoot = dirname(import.meta.dirname);

const WRITTEN_BY_TOOLS = new Set(["node_modules", ".git", ".cache", ".contrail", "__pycache__"]);

/** @returns paths relative to `root`, forward slashes, in byte order; deleted files are left out */
export function repositoryFiles(root: string = repositoryRoot): string[] {
  const paths = existsSync(join(root, ".git")) ? askGit(root) : walk(root, "");
  return paths.filter((path) => isFile(join(root, path))).sort();
}

function askGit(root: string): string[] {
  const command = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
  const output = execFileSync("git", command, { cwd: root, maxBuffer: 64 * 2 ** 20 });
  return [...new Set(output.toString("utf8").split("\0").filter(Boolean))];
}

function walk(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (!entry.isDirectory()) return [path];
    return WRITTEN_BY_TOOLS.has(entry.name) ? [] : walk(root, path);
  });
}

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

/** Path → text, of the files that `wanted` accepts. */
export function readFiles(
  wanted: (path: string) => boolean,
  root: string = repositoryRoot,
): Map<string, string> {
  const paths = repositoryFiles(root).filter(wanted);
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
}
