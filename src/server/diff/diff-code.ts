/** The files of two code snapshots that are not the same, small texts among them line by line. */
import { buffer } from "node:stream/consumers";
import { fileDifferences } from "../../analysis/file-differences.ts";
import { diffLines, unifiedText } from "../../analysis/line-diff.ts";
import type { DiffReply, FileDiff } from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { TreeEntry } from "../../protocol/runner-wire.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { readTree } from "../../store/read-tree.ts";

const FILES_MAX = 1_000;
/** Of each of the two. */
const FILE_BYTES_MAX = 512 * 1024;
/** Of all that is answered at once. */
const DIFF_CHARS_MAX = 2 * 1024 * 1024;

type Blobs = Pick<BlobStore, "open">;

/** @param a, b snapshots; null = none */
export async function diffCode(
  blobs: Blobs,
  a: string | null,
  b: string | null,
): Promise<DiffReply["code"]> {
  if (a === b) {
    const files = a === null ? 0 : ((await readTree(blobs, a))?.entries.length ?? 0);
    return { a, b, same: files, files: [], not_listed: 0 };
  }
  const { rows, same } = fileDifferences([await filesOf(blobs, a), await filesOf(blobs, b)]);
  const files: FileDiff[] = [];
  let left = DIFF_CHARS_MAX;
  for (const { path, entries } of rows.slice(0, FILES_MAX)) {
    const file = await diffFile(blobs, path, { a: entries[0], b: entries[1], left });
    left -= file.diff?.length ?? 0;
    files.push(file);
  }
  return { a, b, same, files, not_listed: Math.max(0, rows.length - FILES_MAX) };
}

async function filesOf(blobs: Blobs, tree: string | null): Promise<readonly TreeEntry[] | null> {
  if (tree === null) return null;
  const found = await readTree(blobs, tree);
  if (found) return found.entries;
  throw new ContrailError("missing_blobs", `the code snapshot ${tree} is not stored any more`, {
    hint: "The other parts of the two runs can still be seen: contrail experiment show ID --json.",
  });
}

interface Sides {
  readonly a: TreeEntry | undefined;
  readonly b: TreeEntry | undefined;
  readonly left: number;
}

async function diffFile(blobs: Blobs, path: string, { a, b, left }: Sides): Promise<FileDiff> {
  const state = a === undefined ? "added" : b === undefined ? "removed" : "changed";
  const file = { path, state, a: a?.hash ?? null, b: b?.hash ?? null } as const;
  const without = (note: string | null): FileDiff => ({
    ...file,
    ...{ lines_added: 0, lines_removed: 0, diff: null, note },
  });
  if (a?.hash === b?.hash)
    return {
      ...without(b?.executable ? "made executable" : "not executable any more"),
      state: "mode",
    };
  if (left <= 0) return without("so much differs that this file is not shown");
  if (Math.max(a?.size ?? 0, b?.size ?? 0) > FILE_BYTES_MAX)
    return without(`larger than ${FILE_BYTES_MAX} bytes`);
  const [before, after] = [await textOf(blobs, a), await textOf(blobs, b)];
  if (before === undefined || after === undefined) return without("no text");
  const diff = diffLines(before, after);
  const text = unifiedText(diff);
  if (text.length > left) return without("so much differs that this file is not shown");
  return {
    ...file,
    ...{ lines_added: diff.added, lines_removed: diff.removed, diff: text },
    note: diff.exact ? null : "they differ in so much that the middle is shown as replaced",
  };
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** @returns undefined for what is no text, or not stored */
async function textOf(blobs: Blobs, entry: TreeEntry | undefined): Promise<string | undefined> {
  if (entry === undefined) return "";
  const opened = await blobs.open(entry.hash);
  if (opened === undefined) return undefined;
  const bytes = await buffer(opened.stream);
  if (bytes.includes(0)) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
