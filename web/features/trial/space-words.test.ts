import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../../src/base/json.ts";
import { spaceAt, spaceWords } from "./space-words.ts";

test("spaces in words", () => {
  const table: [Json | undefined, string][] = [
    [{ type: "double", minval: 0.01, maxval: 0.5 }, "0.01 to 0.5"],
    [{ type: "double", minval: 0, maxval: 1, count: 5 }, "0 to 1, 5 on a grid"],
    [{ type: "int", minval: 1, maxval: 8 }, "whole, 1 to 8"],
    [{ type: "log", base: 10, minval: -4, maxval: -1 }, "10^-4 to 10^-1, even in the exponent"],
    [{ type: "categorical", vals: ["sgd", 3] }, 'one of "sgd", 3'],
    [{ type: "const", val: 7 }, "always 7"],
    [false, "always false"],
    [undefined, "–"],
    [{ type: "new", x: 1 }, '{"type":"new","x":1}'],
  ];
  for (const [space, words] of table) assert.equal(spaceWords(space), words);
});

test("a path leads into the space, and nowhere else", () => {
  const space = { optimizer: { momentum: { type: "const", val: 1 } } };
  assert.deepEqual(spaceAt(space, "optimizer.momentum"), { type: "const", val: 1 });
  assert.equal(spaceAt(space, "optimizer.x.y"), undefined);
  assert.equal(spaceAt(space, "__proto__"), undefined);
  const nested = { n: { type: "nested", when: {}, params: { type: 3 } } };
  assert.equal(spaceAt(nested, "n.type"), 3);
});
