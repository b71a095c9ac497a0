/**
 * Is a file that we wrote once still what we wrote, without reading it each time?
 *
 * Every file of data gets the same time of last writing, in the year 2000: whoever writes to one, root too, gives it
 * another. Then it is read and compared with its hash, and so is one that was last touched before the machine
 * was started, because what a power cut spoils keeps its time and size. The one thing that passes is a program that
 * writes and then sets the time back on purpose. Training code is also given the same times on every node.
 */
import { createHash } from "node:crypto";
import { createReadStream, lstatSync } from "node:fs";
import { utimes } from "node:fs/promises";

/** 2000-01-01, in seconds. */
const STAMP_S = 946_684_800;

export interface Expected {
  readonly hash: string;
  readonly size: number;
}

export class FileTrust {
  readonly #bootMs: number;

  /** @param bootMs when this machine was started */
  constructor(bootMs: number) {
    this.#bootMs = bootMs;
  }

  /**
   * Says that a file is as it should be: to be called on what was just written and compared.
   * @param usedMs when it was last wanted, where somebody asks that
   */
  stamp(path: string, usedMs = STAMP_S * 1000): Promise<void> {
    return utimes(path, usedMs / 1000, STAMP_S);
  }

  /** The same of what has no hash that it could be compared with. */
  isStamped(path: string, size: number): boolean {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found?.isFile() || found.size !== size) return false;
    return found.mtimeMs === STAMP_S * 1000 && found.ctimeMs >= this.#bootMs;
  }

  /** @returns false where it is not there, no file, or has another content */
  async holds(path: string, { hash, size }: Expected): Promise<boolean> {
    if (this.isStamped(path, size)) return true;
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found?.isFile() || found.size !== size) return false;
    const digest = createHash("sha256");
    for await (const bytes of createReadStream(path, { highWaterMark: 256 * 1024 }))
      digest.update(bytes as Buffer);
    if (digest.digest("hex") !== hash) return false;
    await this.stamp(path);
    return true;
  }
}
