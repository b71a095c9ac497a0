/**
 * One file's content, read once: its hash, its size, where it is cut when it is large, and whatever else wants to see
 * the bytes on their way. A file that changes while it is read would give content that never existed: it is
 * read again once, then refused.
 */
import { createHash } from "node:crypto";
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { TreeEntry } from "../protocol/runner-wire.ts";
import { CHUNK_BYTES_MAX, type ChunkBuffers, chunkBuffers, readInChunks } from "./chunks.ts";

const READ_BYTES = 256 * 1024;

export interface FoundFile {
  readonly path: string;
  readonly source: string;
  readonly size: number;
  readonly stats: BigIntStats;
}

export const isExecutable = ({ mode }: Pick<BigIntStats, "mode">): boolean =>
  (Number(mode) & 0o111) !== 0;

export interface FileReader {
  /** Sees a file's bytes in order. Called again for the same path when it has to be read again. */
  open?(path: string): ((bytes: Uint8Array) => void) | undefined;
  /** Bytes read since the last call. */
  read?(bytes: number): void;
}

/** The buffers of one who reads file after file. */
export class FileHasher {
  readonly #cut: boolean;
  readonly #reader: FileReader;
  #small: Buffer | undefined;
  #large: ChunkBuffers | undefined;

  constructor({ chunked = false, reader = {} }: { chunked?: boolean; reader?: FileReader }) {
    this.#cut = chunked;
    this.#reader = reader;
  }

  /** @returns the entry, and what the file system says of the file; or what is wrong, in words */
  async hash({
    path,
    source,
    size,
  }: Omit<FoundFile, "stats">): Promise<
    { readonly entry: TreeEntry; readonly stats: BigIntStats } | string
  > {
    for (let attempt = 1; attempt <= 2; attempt++) {
      // Neither a link nor a pipe that took the file's place in between may be opened (the latter would hang).
      const file = await open(
        source,
        constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      );
      try {
        const before = await file.stat({ bigint: true });
        if (!before.isFile()) return "is no longer a file.";
        const content = await this.#read(file, path, size);
        const after = await file.stat({ bigint: true });
        const same =
          before.mtimeNs === after.mtimeNs &&
          before.ctimeNs === after.ctimeNs &&
          before.size === after.size;
        const executable = isExecutable(after);
        if (same && BigInt(content.size) === after.size)
          return { entry: { path, executable, ...content }, stats: after };
      } finally {
        await file.close();
      }
    }
    return "changed while it was read, twice. Wait until nothing writes to it, or ignore it.";
  }

  async #read(
    file: FileHandle,
    path: string,
    expected: number,
  ): Promise<Pick<TreeEntry, "hash" | "size" | "chunks">> {
    const tap = this.#reader.open?.(path);
    const each = (bytes: Uint8Array): void => {
      tap?.(bytes);
      this.#reader.read?.(bytes.length);
    };
    if (this.#cut && expected > CHUNK_BYTES_MAX) {
      this.#large ??= chunkBuffers();
      const { hash, size, chunks } = await readInChunks(file, this.#large, each);
      // It shrank while nobody looked: like any small file.
      return size <= CHUNK_BYTES_MAX ? { hash, size } : { hash, size, chunks: [...chunks] };
    }
    this.#small ??= Buffer.allocUnsafe(READ_BYTES);
    const hash = createHash("sha256");
    for (let size = 0; ; ) {
      const { bytesRead } = await file.read(this.#small, 0, this.#small.length, size);
      if (bytesRead === 0) return { hash: hash.digest("hex"), size };
      const bytes = this.#small.subarray(0, bytesRead);
      hash.update(bytes);
      each(bytes);
      size += bytesRead;
    }
  }
}
