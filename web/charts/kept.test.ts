import assert from "node:assert/strict";
import { test } from "node:test";
import { keptText, numberOf, readKept } from "./kept.ts";

test("kept trials go into an address and come back", () => {
  assert.equal(keptText([9, 1, 4, 5, 6, 4]), "1,4-6,9");
  assert.deepEqual([...(readKept("1,4-6,9") ?? [])], [1, 4, 5, 6, 9]);
  assert.equal(keptText(readKept("1-3") ?? []), "1-3");
  for (const nonsense of [undefined, "", "x", "1,", "-1", "1-99999999", "1;2"])
    assert.equal(readKept(nonsense), undefined, nonsense);
  assert.equal(numberOf("3.12"), 12);
});
