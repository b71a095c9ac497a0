/** The list of allocations that are over, on a disk that does not always take it. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EndedList } from "./state-folder.ts";

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
