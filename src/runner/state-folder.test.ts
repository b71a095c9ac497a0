/** What a runner keeps of allocations, on a disk that does not always take it, or give it back. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EndedList, readLaunchNote, writeLaunchNote } from "./state-folder.ts";

test("what the disk did not take is remembered all the same, and written when it is told again", () => {
  const folder = mkdtempSync(join(tmpdir(), "contrail-ended-"));
  try {
    const path = join(folder, "ended");
    const ended = new EndedList(path);
    ended.add("1.1.1");
    rmSync(path);
    mkdirSync(path);
    assert.throws(() => ended.add("1.2.1"), { code: "EISDIR" });
    assert.ok(ended.has("1.2.1"), "a late order must not start it again");
    rmSync(path, { recursive: true });
    ended.add("1.2.1");
    assert.ok(new EndedList(path).has("1.2.1"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a note that cannot be read is told from one that is not there", () => {
  const folder = mkdtempSync(join(tmpdir(), "contrail-note-"));
  try {
    assert.equal(readLaunchNote(folder), undefined);
    writeLaunchNote(folder, { id: "1.1.1", fence: 2 });
    assert.deepEqual(readLaunchNote(folder), { id: "1.1.1", fence: 2 });
    rmSync(join(folder, "launch.json"));
    mkdirSync(join(folder, "launch.json"));
    assert.throws(() => readLaunchNote(folder), { code: "EISDIR" });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
