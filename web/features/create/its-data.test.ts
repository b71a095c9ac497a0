import assert from "node:assert/strict";
import { test } from "node:test";
import { withItsData } from "./its-data.ts";

test("a text names the versions that were read: what @latest was then, and what is imported as it is called here", () => {
  const written = "data: {a: digits@2, b: 'digits@latest', n: 5} # not my.digits@2, digits@22";
  const text = withItsData({
    config: { data: { a: "digits@2", b: "digits@latest", n: 5 } },
    config_text: written,
    data: { a: { dataset: "digits.imported@1" }, b: { dataset: "digits@7" }, n: { value: 5 } },
  });
  assert.equal(
    text,
    "data: {a: digits.imported@1, b: 'digits@7', n: 5} # not my.digits@2, digits@22",
  );
});
