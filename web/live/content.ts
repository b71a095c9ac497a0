/** Snapshots and files by their hash. What is shown is bounded; a download takes the whole file from the server itself. */
import type { Tree, TreeEntry } from "../../src/protocol/runner-wire.ts";
import { client } from "./client.ts";

const TREE_BYTES_MAX = 64 * 1024 * 1024;

/** @param snapshot the hash of a tree */
export async function readTree(snapshot: string): Promise<Tree> {
  const { bytes } = await readStart(snapshot, TREE_BYTES_MAX);
  return JSON.parse(new TextDecoder().decode(bytes)) as Tree;
}

export interface FileStart {
  readonly bytes: Uint8Array;
  /** Bytes of the whole file. */
  readonly size: number;
}

export async function readFileStart(
  { hash, size }: Pick<TreeEntry, "hash" | "size">,
  bytesMax: number,
): Promise<FileStart> {
  return { bytes: (await readStart(hash, Math.min(size, bytesMax))).bytes, size };
}

/** Stops the transfer where enough has come. */
async function readStart(hash: string, bytesMax: number): Promise<{ bytes: Uint8Array }> {
  const reader = (await client.getBlob(hash)).getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    length += value.length;
    if (length < bytesMax) continue;
    await reader.cancel();
    break;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { bytes: bytes.subarray(0, bytesMax) };
}

/** @returns the text, undefined for what is no text: it holds NULs where a person would read */
export function textOf({ bytes }: Pick<FileStart, "bytes">): string | undefined {
  if (bytes.subarray(0, 8192).includes(0)) return undefined;
  return new TextDecoder().decode(bytes);
}

export const blobAddress = (hash: string): string => `${client.url}/api/v1/blobs/${hash}`;
export const archiveAddress = (checkpoint: string): string =>
  `${client.url}/api/v1/checkpoints/${checkpoint}/archive`;
