/**
 * Text files of the code under a run, read by the runner, with its own rights, from a folder in which a person's program
 * may have put anything: a link would lead to files of the machine, a pipe would never end, a device never stop. So only
 * regular files are read, no link is followed, and every folder on the way is held open while the next name is looked up
 * in it, because what is checked by its path can be another thing when it is opened.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;
const BYTES_MAX = 32 * 1024 * 1024;

/**
 * @param path below the folder, without `..`
 * @returns undefined where there is none @throws Error in words where it is nothing to be read
 */
export function readCodeFile(folder: string, path: string): string | undefined {
  const open: number[] = [];
  try {
    let at = folder;
    for (const name of path.split("/")) {
      const fd = openSync(at, O_RDONLY | O_NOFOLLOW | O_DIRECTORY);
      open.push(fd);
      // Elsewhere no open folder has a path.
      at = join(process.platform === "linux" ? `/proc/self/fd/${fd}` : at, name);
    }
    const file = openSync(at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    open.push(file);
    return textOf(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP" || code === "ENOTDIR")
      throw new Error("it is a link, or behind one, and links are not followed", { cause: error });
    // The system's own words name a path that says nothing.
    if (code !== undefined) throw new Error(`it could not be read (${code})`, { cause: error });
    throw error;
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

function textOf(file: number): string {
  const found = fstatSync(file);
  if (!found.isFile()) throw new Error("it is no regular file");
  if (found.size > BYTES_MAX)
    throw new Error(`it has ${found.size} bytes; no more than ${BYTES_MAX} are read`);
  const bytes = Buffer.alloc(found.size);
  let filled = 0;
  while (filled < bytes.length) {
    const read = readSync(file, bytes, filled, bytes.length - filled, filled);
    if (read === 0) break;
    filled += read;
  }
  return bytes.toString("utf8", 0, filled);
}
