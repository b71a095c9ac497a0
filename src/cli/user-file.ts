/** Files and folders that a command line names, asked for before they are used: what is wrong with one is said alike everywhere. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { CHECK_PATH, CliError, EXIT, usageError } from "./exit-code.ts";

export const noSuchFile = (path: string): CliError =>
  new CliError("no_such_file", `There is no ${path}.`, {
    hint: CHECK_PATH,
    exitCode: EXIT.notFound,
  });

/** @returns the absolute path of a file that is there @throws CliError where it is not, or is a folder */
export function requireFile(
  cwd: string,
  file: string,
  {
    wanted = "a file is wanted here",
    hint = "Name a file in it.",
  }: { readonly wanted?: string; readonly hint?: string } = {},
): string {
  const path = resolve(cwd, file);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw noSuchFile(path);
  if (stat.isDirectory()) throw usageError(`${file} is a folder; ${wanted}.`, hint);
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
