import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { codeOf, whyCodeTable } from "./codes.ts";

test("docs/audit.md lists every code as it is here", () => {
  const text = readFileSync(new URL("../../../docs/audit.md", import.meta.url), "utf8");
  assert.ok(text.endsWith(`<!-- codes: src/server/why/codes.ts -->\n\n${whyCodeTable()}`));
});

test("a word that no code is made for is told as it is stored", () => {
  assert.equal(codeOf("ended", "killed"), "ended_killed");
  assert.equal(codeOf("ended", "vanished"), "as_stored");
  assert.equal(codeOf("ended", null), "as_stored");
  assert.equal(codeOf("to", "String"), "as_stored");
});
