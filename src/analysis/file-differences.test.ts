import assert from "node:assert/strict";
import { test } from "node:test";
import type { TreeEntry } from "../protocol/runner-wire.ts";
import { fileDifferences, fileWord, firstDiffering } from "./file-differences.ts";

test("files by content and mode, over trees and a trial without code", () => {
  const file = (path: string, hash: string, executable = false): TreeEntry => ({
    ...{ path, hash, executable, size: 1 },
  });
  const a = [file("same", "1"), file("changed", "1"), file("removed", "1"), file("mode", "1")];
  const b = [file("same", "1"), file("changed", "2"), file("added", "1"), file("mode", "1", true)];
  const { rows, same } = fileDifferences([a, b]);
  assert.equal(same, 1);
  assert.deepEqual(
    rows.map(({ path, entries: [before, after] }) => [path, fileWord(before, after)]),
    [
      ["added", "added"],
      ["changed", "changed"],
      ["mode", "made executable or not"],
      ["removed", "removed"],
    ],
  );
  assert.equal(fileDifferences([a, null]).rows.length, 4);
});

test("what is held against the first one is where the file differs, and not where it is missing alike", () => {
  const entry: TreeEntry = { path: "a", hash: "1", size: 1, executable: false };
  const at = (...entries: (TreeEntry | undefined)[]): number =>
    firstDiffering({ path: "a", entries });
  assert.equal(at(undefined, undefined, entry), 2);
  assert.equal(at(entry, entry, undefined), 2);
  assert.equal(at(entry, { ...entry, hash: "2" }, undefined), 1);
});
