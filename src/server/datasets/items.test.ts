import assert from "node:assert/strict";
import { test } from "node:test";
import { datasetItems } from "./items.ts";

test("what a record says of data is read, whatever another server wrote", () => {
  const items = datasetItems({
    train: { dataset: "digits@2", snapshot: "a" },
    far: { dataset: "scans@1", snapshot: "b", kind: "directory" },
    nameless: { snapshot: "c" },
    lost: { dataset: "digits@3" },
    ...{ depth: { value: 3 }, text: "digits@4", nothing: null, list: [1] },
  });
  assert.deepEqual(items, [
    { as: "train", dataset: "digits@2", snapshot: "a", kind: "stored" },
    { as: "far", dataset: "scans@1", snapshot: "b", kind: "directory" },
    { as: "nameless", dataset: "nameless", snapshot: "c", kind: "stored" },
    { as: "lost", dataset: "digits@3", snapshot: "", kind: "stored" },
  ]);
});
