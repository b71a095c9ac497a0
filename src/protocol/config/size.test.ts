import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf } from "./size.ts";

test("sizes are read as Docker reads them", () => {
  const sizes = { "512m": 512 * 1024 ** 2, "4GiB": 4 * 1024 ** 3, "1.5 kb": 1536, "1024": 1024 };
  for (const [text, bytes] of Object.entries(sizes)) assert.equal(bytesOf(text), bytes);
  for (const text of ["", "m", "12 parsecs", "-1m"]) assert.equal(bytesOf(text), undefined);
});
