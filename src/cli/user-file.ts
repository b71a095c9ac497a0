/** Files and folders that a command line names, asked for before they are used: what is wrong with one is said alike everywhere. */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { shellWord } from "./cli.ts";
import { CHECK_PATH, CliError, EXIT, usageError } from "./exit-code.ts";

export const noSuchFile = (path: string): CliError =>
  new CliError("no_such_file", `There is no ${path}.`, {
    hint: CHECK_PATH,
    exitCode: EXIT.notFound,
  });

/**
 * The current folder has the name of no letters; who typed that meant a variable that is not set.
 * @returns the absolute path @throws CliError where the name is empty
 */
export function namedPath(cwd: string, name: string, what: string): string {
  if (name !== "") return resolve(cwd, name);
  throw usageError(
    `${what} is empty.`,
    "Name it; the current folder is a dot. A variable that is not set is nothing.",
  );
}

export interface Wanted {
  /** What a folder is told that stands in its place. */
  readonly wanted?: string;
  /** The command as it would be with the file in that folder, which is a word of a shell. */
  readonly instead?: (file: string) => string;
}

/** @returns the absolute path of a file that is there @throws CliError where it is not, or is a folder */
export function requireFile(
  cwd: string,
  file: string,
  { wanted = "a file is wanted here", instead }: Wanted = {},
): string {
  const path = namedPath(cwd, file, "The name of the file");
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw noSuchFile(path);
  if (stat.isDirectory()) {
    const inner = instead?.(shellWord(join(file, "config.yaml")));
    throw usageError(
      `${file} is a folder; ${wanted}.`,
      inner === undefined ? "Name a file in it." : `Name the file: \`contrail ${inner}\``,
    );
  }
  return path;
}

/** @throws CliError where there is no such folder, or it is a file */
export function requireFolder(folder: string): void {
  const path = resolve(folder);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw noSuchFile(path);
  if (!stat.isDirectory())
    throw usageError(`${path} is a file; a folder is wanted here.`, CHECK_PATH);
}
