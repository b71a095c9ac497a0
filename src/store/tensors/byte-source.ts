/**
 * The bytes of one file, read in ranges: the only way in which anything here touches a file, so that a checkpoint of
 * any size is read in bounded memory, from a folder of blobs or from a disk alike.
 */
import type { Readable } from "node:stream";
import { Unreadable } from "./unreadable.ts";

export interface ByteSource {
  /** Bytes. */
  readonly size: number;
  /** From byte `start` to before `end`, in pieces of any length. */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
}

/** What a blob store offers: from byte `start` to byte `end` inclusive; undefined when it is not stored. */
export type OpenRange = (
  hash: string,
  range?: { start: number; end: number },
) => Promise<{ stream: Readable | AsyncIterable<Uint8Array>; size: number } | undefined>;

/** A blob that is not there, though a tree names it: the world's failure, no property of the file. */
export class MissingBlob extends Error {
  override name = "MissingBlob";
  readonly hash: string;
  constructor(hash: string) {
    super(`the content ${hash} is named by a snapshot and not stored; verify the data folder`);
    this.hash = hash;
  }
}

/** Once a file's content is known to be the wrong length nothing that was read of it counts. */
export class ShortBlob extends Error {
  override name = "ShortBlob";
}

export function blobSource(
  { hash, size }: { readonly hash: string; readonly size: number },
  openBlob: OpenRange,
): ByteSource {
  return {
    size,
    async *read(start, end) {
      if (end <= start) return;
      const opened = await openBlob(hash, { start, end: end - 1 });
      if (opened === undefined) throw new MissingBlob(hash);
      if (opened.size !== size) {
        // What nobody reads holds its file open.
        if ("destroy" in opened.stream) opened.stream.destroy();
        throw new ShortBlob(`the content ${hash} has ${opened.size} bytes, not the ${size} listed`);
      }
      yield* opened.stream as AsyncIterable<Uint8Array>;
    },
  };
}

/** The whole range in memory. @param bytesMax what the caller can afford */
export async function readRange(
  source: ByteSource,
  { start, end, bytesMax }: { start: number; end: number; bytesMax: number },
): Promise<Buffer> {
  if (start < 0 || end > source.size || end < start)
    throw new Unreadable(`it ends before byte ${end}, where more of it should lie`);
  if (end - start > bytesMax)
    throw new Unreadable(`a part of it has ${end - start} bytes; ${bytesMax} are read at most`);
  const bytes = Buffer.alloc(end - start);
  let at = 0;
  for await (const piece of source.read(start, end)) {
    bytes.set(piece.subarray(0, bytes.length - at), at);
    at += piece.length;
  }
  if (at !== bytes.length) throw new ShortBlob(`${bytes.length} bytes were asked for, ${at} came`);
  return bytes;
}

/** The range in pieces of exactly `blockBytes`, the last one shorter. A piece is the caller's until it asks for the next. */
export async function* blocks(
  source: ByteSource,
  { start, end, blockBytes }: { start: number; end: number; blockBytes: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const block = Buffer.alloc(Math.min(blockBytes, Math.max(0, end - start)));
  let filled = 0;
  let left = end - start;
  for await (const piece of source.read(start, end)) {
    let from = 0;
    while (from < piece.length && left > 0) {
      const take = Math.min(piece.length - from, block.length - filled);
      block.set(piece.subarray(from, from + take), filled);
      from += take;
      filled += take;
      left -= take;
      if (filled === block.length || left === 0) {
        yield block.subarray(0, filled);
        filled = 0;
      }
    }
  }
  if (left > 0) throw new ShortBlob(`${end - start} bytes were asked for, ${left} did not come`);
}
