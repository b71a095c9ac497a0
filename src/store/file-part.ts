/**
 * A part of a file, or all of it, to be sent: small ones as bytes, large ones as a stream over a file that is opened anew
 * for every attempt. Offsets and sizes are counted in numbers that hold them; `openAsBlob` was refused because it
 * counts in 32 bits, and of 5,000,000,003 bytes gave 705,032,707.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type Content, ContentError, type OpenContent } from "../base/content.ts";

/** No larger than the parts that large files of data are cut into, so those are always bytes. */
const BYTES_AT_ONCE_MAX = 8 * 1024 * 1024;
const READ_BYTES = 256 * 1024;
/** Neither a link nor a pipe that took the file's place in between. */
const READ_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface FilePart {
  /** Of the file. */
  readonly path: string;
  /** Where it begins, in bytes. */
  readonly offset?: number;
  readonly size: number;
}

export function filePart({ path, offset = 0, size }: FilePart): Content {
  return {
    size,
    open: async () => {
      const file = await open(path, READ_ONLY).catch((error: unknown) => {
        throw unreadable(path, error);
      });
      const reader = new PartReader(file, { path, offset, size });
      if (size > BYTES_AT_ONCE_MAX) return streamOf(reader);
      try {
        return { body: await reader.next(size), close: async () => {} };
      } finally {
        await reader.close();
      }
    },
  };
}

class PartReader {
  readonly #file: FileHandle;
  readonly #part: Required<FilePart>;
  #read = 0;
  #closed: Promise<void> | undefined;

  constructor(file: FileHandle, part: Required<FilePart>) {
    this.#file = file;
    this.#part = part;
  }

  get left(): number {
    return this.#part.size - this.#read;
  }

  /** The next `size` bytes. @throws ContentError where the file has no more */
  async next(size: number): Promise<Uint8Array<ArrayBuffer>> {
    const { path, offset } = this.#part;
    const bytes = Buffer.allocUnsafe(size);
    for (let filled = 0; filled < size; ) {
      const at = offset + this.#read;
      const { bytesRead } = await this.#file
        .read(bytes, filled, size - filled, at)
        .catch((error: unknown) => {
          throw unreadable(path, error);
        });
      if (bytesRead === 0)
        throw new ContentError(
          `${path} ends at byte ${at} by now; it had at least ${offset + this.#part.size} when it was hashed`,
        );
      filled += bytesRead;
      this.#read += bytesRead;
    }
    return bytes;
  }

  close(): Promise<void> {
    this.#closed ??= this.#file.close();
    return this.#closed;
  }
}

function streamOf(reader: PartReader): OpenContent {
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        controller.enqueue(await reader.next(Math.min(reader.left, READ_BYTES)));
        if (reader.left > 0) return;
        controller.close();
        await reader.close();
      },
      cancel: () => reader.close(),
    },
    { highWaterMark: 0 },
  );
  return { body, close: () => reader.close() };
}

function unreadable(path: string, error: unknown): ContentError {
  return new ContentError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
}
