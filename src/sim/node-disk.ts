/**
 * The runner's disk: spool files as bytes (the real spool reads and writes them), and notes, kept checkpoints and the list
 * of what has ended as values. It outlives the runner. A full disk refuses every write; a node that loses power
 * loses the ends of files that were not flushed, as the spool expects.
 */
import type { Random } from "../base/random.ts";
import type { KeptCheckpoint } from "../runner/kept-files.ts";
import type { SpoolFiles } from "../runner/spool-segment.ts";
import type { LaunchNote } from "../runner/state-folder.ts";

const FILE_BYTES = 256;

interface File {
  bytes: Buffer;
  length: number;
}

export class DiskFull extends Error {
  readonly code = "ENOSPC";
  constructor() {
    super("no space left on the node's disk");
  }
}

export class NodeDisk implements SpoolFiles {
  full = false;
  readonly notes = new Map<string, LaunchNote>();
  readonly ended = new Set<string>();
  /** By folder of the allocation, then by number. */
  readonly kept = new Map<string, Map<number, { checkpoint: KeptCheckpoint; content: string }>>();
  readonly #folders = new Map<string, Map<string, File>>();
  readonly #open = new Map<number, File>();
  #nextFd = 3;

  /** @throws DiskFull */
  need(): void {
    if (this.full) throw new DiskFull();
  }

  open(path: string, flags: "w+" | "r+"): number {
    const cut = path.lastIndexOf("/");
    const folder = this.#folders.get(path.slice(0, cut)) ?? new Map<string, File>();
    this.#folders.set(path.slice(0, cut), folder);
    let file = folder.get(path.slice(cut + 1));
    if (flags === "w+") {
      this.need();
      file = { bytes: Buffer.allocUnsafe(FILE_BYTES), length: 0 };
      folder.set(path.slice(cut + 1), file);
    }
    if (!file) throw new Error(`${path}: no such file`);
    const fd = this.#nextFd++;
    this.#open.set(fd, file);
    return fd;
  }

  read(fd: number, into: Buffer, offset: number, length: number, at: number): number {
    const { bytes, length: end } = this.#file(fd);
    const count = Math.max(0, Math.min(length, end - at));
    bytes.copy(into, offset, at, at + count);
    return count;
  }

  // As an arrow, because the spool takes it out of its object.
  readonly write = (
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    at: number,
  ): number => {
    this.need();
    const file = this.#file(fd);
    const end = at + length;
    if (end > file.bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, 2 * file.bytes.length));
      file.bytes.copy(grown, 0, 0, file.length);
      file.bytes = grown;
    }
    // What was allocated is not empty.
    if (at > file.length) file.bytes.fill(0, file.length, at);
    file.bytes.set(bytes.subarray(offset, offset + length), at);
    file.length = Math.max(file.length, end);
    return length;
  };

  truncate(fd: number, length: number): void {
    this.#file(fd).length = length;
  }

  close(fd: number): void {
    this.#open.delete(fd);
  }

  list(folder: string): string[] {
    return [...(this.#folders.get(folder)?.keys() ?? [])];
  }

  remove(path: string): void {
    const cut = path.lastIndexOf("/");
    this.#folders.get(path.slice(0, cut))?.delete(path.slice(cut + 1));
  }

  forget(folder: string): void {
    this.#folders.delete(folder);
    this.kept.delete(folder);
  }

  /** Power is lost: some files end earlier than they did, and some of their last bytes are not what was written. */
  losePower(random: Random): void {
    for (const folder of this.#folders.values())
      for (const file of folder.values()) {
        if (random.unit() < 0.5) continue;
        const lost = random.below(1 + Math.min(file.length, 200));
        file.length -= lost;
        if (random.unit() < 0.3 && file.length > 0) {
          const at = Math.max(0, file.length - 1 - random.below(20));
          file.bytes[at] = (file.bytes[at] as number) ^ (1 << random.below(8));
        }
      }
  }

  #file(fd: number): File {
    const file = this.#open.get(fd);
    if (!file) throw new Error(`file descriptor ${fd} is not open`);
    return file;
  }
}
