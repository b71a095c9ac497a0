import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface Marked {
  readonly pid: number;
  readonly command: string;
}

/** Whether this machine can tell at all which processes carry a mark. */
export const canSeeProcesses = process.platform === "linux";

/**
 * The living processes that belong to a program of the test run, other than this one.
 * @param mark `<run>` or `<run>-<number>`; `<run>-1` is not taken for `<run>-12`
 */
export function processesMarked(mark: string): Marked[] {
  if (!canSeeProcesses) return [];
  const pattern = new RegExp(`${mark}(?![0-9a-z])`);
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      const command = read(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
      // A zombie has no command line: it is dead, and its parent's business.
      const carriesMark = [read(`/proc/${name}/environ`), command, workingFolder(name)].some(
        (text) => pattern.test(text),
      );
      return command !== "" && carriesMark ? [{ pid: Number(name), command }] : [];
    });
}

/** @returns "" for a process that has ended or is not ours to look at */
function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function workingFolder(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}
