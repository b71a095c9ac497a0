/** Reads a snapshot's list of files back from its blob. */
import { text } from "node:stream/consumers";
import type { TreeEntry } from "../protocol/runner-wire.ts";
import { dataTree } from "../protocol/runner-wire.ts";
import type { BlobStore } from "./blobs.ts";

/** @returns undefined where it is not stored, or is no list of files */
export async function readTree(
  blobs: Pick<BlobStore, "open">,
  hash: string,
): Promise<{ entries: TreeEntry[]; bytes: number } | undefined> {
  const opened = await blobs.open(hash);
  if (opened === undefined) return undefined;
  try {
    return { entries: dataTree.parse(JSON.parse(await text(opened.stream))), bytes: opened.size };
  } catch (error) {
    if (error instanceof SyntaxError || (error as Error).name === "ZodError") return undefined;
    throw error;
  }
}
