/** The files that the words of a command name, as far as it takes to see what they start. */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { findProgram } from "../rank-process.ts";

export interface ProgramFile {
  readonly path: string;
  /** Its beginning. */
  readonly bytes: Buffer;
  readonly executable: boolean;
}

export interface ProgramFiles {
  /** @param path folders, as in PATH @returns undefined where there is none that can be read */
  find(word: string, path: string, folder: string): ProgramFile | undefined;
}

export const SCRIPT_BYTES_MAX = 64 * 1024;

/** Of this machine. */
export const MACHINE_FILES: ProgramFiles = {
  find(word, path, folder) {
    let executable = true;
    let found: string;
    try {
      found = findProgram(word, path, folder);
    } catch {
      // `sh train.sh` needs no executable file.
      executable = false;
      found = isAbsolute(word) ? word : join(folder, word);
    }
    const bytes = beginning(found);
    return bytes && { path: found, bytes, executable };
  },
};

function beginning(path: string): Buffer | undefined {
  let file: number | undefined;
  try {
    // A pipe of this name would otherwise hold everything up.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const buffer = Buffer.alloc(SCRIPT_BYTES_MAX);
    return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, 0));
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
