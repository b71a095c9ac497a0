/**
 * Where a large file is cut, so that what did not change in it is stored once.
 *
 * Cut by content: a part ends where a rolling hash of the last 32 bytes has 20 zero bits, so a line put in at the
 * front moves the cuts with the text, and all but the parts around it are found again. Fixed parts were refused:
 * of a file with one byte put in at its front they find nothing again. Not a byte of a part's first 2 MiB is looked
 * at for a cut, which makes looking cost a third of what it would, and parts no smaller than is worth a request.
 * The figures are in docs/data.md.
 *
 * Changing a number here costs storage, nothing else: files and dataset versions are told apart by whole content.
 */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { TreeChunk } from "../protocol/runner-wire.ts";

export const CHUNK_BYTES_MIN = 2 * 1024 * 1024;
/** Files up to this size are one blob. */
export const CHUNK_BYTES_MAX = 8 * 1024 * 1024;
const WINDOW = 32;
/** The upper 20 bits, which depend on all bytes of the window: a cut once in 1 MiB. */
const MASK = 0xfffff000 | 0;
const READ_BYTES = 512 * 1024;
/** Parts whose hash is being computed, each a copy in memory. */
const DIGESTS_MAX = 4;

const GEAR = gearTable();

/** A fixed number for each byte value, as random as any (the finalizer of MurmurHash3 over a counter). */
function gearTable(): Int32Array {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let x = Math.imul(byte + 1, 0x9e3779b9);
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    table[byte] = x ^ (x >>> 16);
  }
  return table;
}

/** Looks for the end of one part, in as many steps as its bytes arrive in. */
class Cut {
  #hash = 0;
  #seen = CHUNK_BYTES_MIN - WINDOW;

  /** @returns where the part ends, or undefined when it does not end within the first `end` bytes */
  find(bytes: Uint8Array, end: number): number | undefined {
    let hash = this.#hash;
    let at = this.#seen;
    for (const warm = Math.min(end, CHUNK_BYTES_MIN); at < warm; at++)
      hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
    while (at < end) {
      hash = ((hash << 1) + (GEAR[bytes[at++] as number] as number)) | 0;
      if ((hash & MASK) === 0) return at;
    }
    this.#hash = hash;
    this.#seen = Math.max(at, this.#seen);
    return end >= CHUNK_BYTES_MAX ? CHUNK_BYTES_MAX : undefined;
  }
}

export interface ReadFile {
  /** SHA-256 of the whole. */
  readonly hash: string;
  readonly size: number;
  readonly chunks: readonly TreeChunk[];
}

export type ChunkBuffers = readonly [Buffer<ArrayBuffer>, Buffer<ArrayBuffer>];

/** Two buffers, so that one is filled while the other is hashed. */
export const chunkBuffers = (): ChunkBuffers => [
  Buffer.allocUnsafe(CHUNK_BYTES_MAX),
  Buffer.allocUnsafe(CHUNK_BYTES_MAX),
];

/**
 * Reads a file once, to its end: the hash of the whole, computed here, and of each part, computed on another thread.
 * @param each gets all bytes, in order; they are only its own until it returns
 */
export async function readInChunks(
  file: Pick<FileHandle, "read">,
  buffers: ChunkBuffers,
  each: (bytes: Uint8Array) => void = () => undefined,
): Promise<ReadFile> {
  const whole = createHash("sha256");
  const digests: Promise<TreeChunk>[] = [];
  let [buffer, other] = buffers;
  let position = 0;
  let filled = 0;
  let ended = false;
  const read = async (target: Buffer, from: number, to: number): Promise<number> => {
    const { bytesRead } = await file.read(target, from, to - from, position);
    position += bytesRead;
    if (bytesRead === 0) ended = true;
    return bytesRead;
  };
  for (;;) {
    const cut = new Cut();
    let end: number | undefined;
    for (;;) {
      if (filled > CHUNK_BYTES_MIN || filled === CHUNK_BYTES_MAX) end = cut.find(buffer, filled);
      if (end !== undefined || ended) break;
      const wanted = filled < CHUNK_BYTES_MIN ? CHUNK_BYTES_MIN + READ_BYTES : filled + READ_BYTES;
      filled += await read(buffer, filled, Math.min(wanted, CHUNK_BYTES_MAX));
    }
    end ??= filled;
    if (end === 0) break;
    const part = buffer.subarray(0, end);
    const rest = filled - end;
    buffer.copy(other, 0, end, filled);
    const ahead = ended
      ? undefined
      : read(other, rest, Math.max(rest, CHUNK_BYTES_MIN + READ_BYTES));
    // The bytes are copied before this returns, so the buffer can be filled anew.
    digests.push(partOf(part));
    whole.update(part);
    each(part);
    filled = rest + ((await ahead) ?? 0);
    if (digests.length >= DIGESTS_MAX) await digests[digests.length - DIGESTS_MAX];
    [buffer, other] = [other, buffer];
  }
  const chunks = await Promise.all(digests);
  const size = chunks.reduce((sum, chunk) => sum + chunk.size, 0);
  return { hash: whole.digest("hex"), size, chunks };
}

async function partOf(bytes: Uint8Array<ArrayBuffer>): Promise<TreeChunk> {
  const size = bytes.length;
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return { hash: Buffer.from(digest).toString("hex"), size };
}
