import assert from "node:assert/strict";
import { test } from "node:test";
import { fairShare } from "./fair-share.ts";

test("short lists stay whole, long ones share what is left, and the order stays", () => {
  for (const [lists, max, expected] of [
    [["aaaaaa", "b", "cc"], 6, "aaabcc"],
    [["aaaaaa", "bbbbbb"], 6, "aaabbb"],
    [["aa", "", "b"], 6, "aab"],
    [["a", "b", "c"], 2, "ab"],
    [["aaa"], 0, ""],
    [[], 2, ""],
  ] as const)
    assert.equal(
      fairShare(
        lists.map((list) => [...list]),
        max,
      ).join(""),
      expected,
    );
});
