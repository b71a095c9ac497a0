import assert from "node:assert/strict";
import { test } from "node:test";
import { importedName, nameAtOrigin } from "./imported-name.ts";

test("what is imported has a name of its own, which it keeps however often it travels", () => {
  assert.equal(importedName("digits"), "digits.imported");
  assert.equal(importedName("digits.imported"), "digits.imported");
  assert.equal(importedName(), "imported");
  assert.equal(importedName("d".repeat(128)).length, 128);
  assert.deepEqual(["digits.imported", "digits"].map(nameAtOrigin), ["digits", "digits"]);
});
