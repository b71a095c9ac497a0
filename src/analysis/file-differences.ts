/** Snapshots laid side by side: the files that are not the same in all of them. Pure. */
import type { TreeEntry } from "../protocol/runner-wire.ts";

export interface FileDifference {
  readonly path: string;
  /** By thing; undefined = the file is not there. */
  readonly entries: readonly (TreeEntry | undefined)[];
}

/** Files that are not the same in all trees. A null tree is that of a trial without code. */
export function fileDifferences(trees: readonly (readonly TreeEntry[] | null)[]): {
  readonly rows: readonly FileDifference[];
  readonly same: number;
} {
  const byPath = trees.map((tree) => new Map((tree ?? []).map((entry) => [entry.path, entry])));
  const paths = new Set(byPath.flatMap((files) => [...files.keys()]));
  const rows: FileDifference[] = [];
  for (const path of [...paths].toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))) {
    const entries = byPath.map((files) => files.get(path));
    const contents = new Set(
      entries.map((entry) => entry && `${entry.hash} ${entry.executable === true}`),
    );
    if (contents.size > 1) rows.push({ path, entries });
  }
  return { rows, same: paths.size - rows.length };
}

/** What became of a file between the first thing and another, in a word. */
export function fileWord(before: TreeEntry | undefined, after: TreeEntry | undefined): string {
  if (before === undefined) return after === undefined ? "–" : "added";
  if (after === undefined) return "removed";
  if (before.hash !== after.hash) return "changed";
  return before.executable === after.executable ? "same" : "made executable or not";
}

/** The first thing in which the file is another than in the very first, by its place. There is one in every difference. */
export const firstDiffering = ({ entries }: FileDifference): number =>
  entries.findIndex((entry, i) => i > 0 && !["same", "–"].includes(fileWord(entries[0], entry)));
