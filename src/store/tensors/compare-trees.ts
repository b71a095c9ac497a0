/**
 * Two snapshots, file by file: equal hashes are equal files and are not opened. Files that hold a model are compared
 * tensor by tensor, all others by their bytes. Nothing in them is executed, and memory stays bounded whatever they
 * claim; so a server may do this with what anybody has uploaded.
 */
import { toWire } from "../../base/json.ts";
import type { FileComparison, TreeComparison } from "../../protocol/api/comparison.ts";
import type { TreeEntry } from "../../protocol/runner-wire.ts";
import { type ByteSource, blobSource, blocks, type OpenRange } from "./byte-source.ts";
import { compareModelFiles } from "./compare-model-files.ts";
import { readModelFile } from "./model-file.ts";
import { Unreadable } from "./unreadable.ts";

export interface CompareOptions {
  /** Called before each file that has to be opened. */
  readonly progress?: (path: string) => void;
  readonly signal?: AbortSignal;
}

/** Files that are listed in the result. */
const FILES_MAX = 1000;
const BLOCK_BYTES = 1024 * 1024;

type Entries = readonly Pick<TreeEntry, "path" | "size" | "hash">[];

/**
 * @param openBlob hands out a blob, or a part of it; `BlobStore.open` is one
 * @throws MissingBlob, ShortBlob, and whatever `openBlob` throws
 */
export async function compareTrees(
  a: Entries,
  b: Entries,
  openBlob: OpenRange,
  { progress, signal }: CompareOptions = {},
): Promise<TreeComparison> {
  const [inA, inB] = [a, b].map((tree) => new Map(tree.map((entry) => [entry.path, entry])));
  const paths = [...new Set([...inA!.keys(), ...inB!.keys()])].sort((x, y) =>
    Buffer.compare(Buffer.from(x), Buffer.from(y)),
  );
  const files = { a: a.length, b: b.length, identical: 0, equal: 0, differing: 0 };
  const differences: FileComparison[] = [];
  let first: TreeComparison["first"] = null;
  for (const path of paths) {
    signal?.throwIfAborted();
    const [left, right] = [inA!.get(path), inB!.get(path)];
    if (left !== undefined && left.hash === right?.hash) {
      files.identical += 1;
      continue;
    }
    progress?.(path);
    const found = await compareFiles(path, { a: left, b: right }, openBlob);
    if (found.state === "equal") files.equal += 1;
    else {
      files.differing += 1;
      const item = found.differences[0];
      const worst = item === undefined ? null : item.max_abs;
      first ??= { path, item: item?.name ?? null, max_abs: worst };
    }
    if (differences.length < FILES_MAX) differences.push(found);
  }
  const state = files.differing > 0 ? "differs" : files.equal > 0 ? "equal" : "identical";
  return { state, files, first, differences };
}

type Entry = Entries[number];

async function compareFiles(
  path: string,
  { a, b }: { readonly a: Entry | undefined; readonly b: Entry | undefined },
  openBlob: OpenRange,
): Promise<FileComparison> {
  if (a === undefined || b === undefined)
    return { ...nothingOf(path), state: a === undefined ? "only_in_b" : "only_in_a" };
  const [left, right] = [blobSource(a, openBlob), blobSource(b, openBlob)];
  const [ofLeft, ofRight] = [await readModelFile(left, path), await readModelFile(right, path)];
  if (ofLeft.model === null || ofRight.model === null) {
    const note = ofLeft.model === null ? ofLeft.note : ofRight.model === null ? ofRight.note : null;
    return byBytes(path, { left, right, note });
  }
  if (ofLeft.model.format !== ofRight.model.format) {
    const note = `${ofLeft.model.format} on one side, ${ofRight.model.format} on the other`;
    return byBytes(path, { left, right, note });
  }
  try {
    const { compared, differing, differences, maxAbs } = await compareModelFiles(
      ofLeft.model,
      ofRight.model,
    );
    return {
      ...nothingOf(path),
      state: differing === 0 ? "equal" : "differs",
      format: ofLeft.model.format,
      items: { compared, differing },
      differences: [...differences],
      max_abs: maxAbs === null ? null : toWire(maxAbs),
    };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return byBytes(path, { left, right, note: `${path}: ${error.message}` });
  }
}

const nothingOf = (path: string): Omit<FileComparison, "state"> => ({
  ...{ path, format: null, note: null, items: null },
  ...{ differences: [], max_abs: null, first_byte: null },
});

async function byBytes(
  path: string,
  sides: { readonly left: ByteSource; readonly right: ByteSource; readonly note: string | null },
): Promise<FileComparison> {
  const { left, right, note } = sides;
  return {
    ...nothingOf(path),
    state: "differs",
    note,
    first_byte: await firstDifferingByte(left, right),
  };
}

/** The end of the shorter one where it is a beginning of the other. */
async function firstDifferingByte(a: ByteSource, b: ByteSource): Promise<number> {
  const end = Math.min(a.size, b.size);
  const others = blocks(b, { start: 0, end, blockBytes: BLOCK_BYTES });
  let at = 0;
  try {
    for await (const block of blocks(a, { start: 0, end, blockBytes: BLOCK_BYTES })) {
      const other = (await others.next()).value!;
      if (Buffer.compare(block, other) !== 0)
        return at + block.findIndex((byte, index) => byte !== other[index]);
      at += block.length;
    }
  } finally {
    await others.return();
  }
  return end;
}
