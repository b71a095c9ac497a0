import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentMap } from "./recent-map.ts";

test("what was not wanted for longest is forgotten first", () => {
  const map = new RecentMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 2);
  assert.equal(map.get("a"), 1);
  map.set("c", 3);
  assert.deepEqual(
    ["a", "b", "c"].map((key) => map.get(key)),
    [1, undefined, 3],
  );
  map.delete("a");
  map.set("d", 4);
  assert.deepEqual(
    ["a", "c", "d"].map((key) => map.get(key)),
    [undefined, 3, 4],
  );
});

test("entries count what they weigh, and one that is too heavy pushes nobody out", () => {
  const map = new RecentMap<string, string>(10, (key, value) => key.length + value.length);
  map.set("a", "1234");
  map.set("b", "123");
  map.set("c", "1234567890");
  assert.deepEqual(
    ["a", "b", "c"].map((key) => map.get(key)),
    ["1234", "123", undefined],
  );
  // Written anew it counts once, and is the latest.
  map.set("a", "12345");
  map.set("d", "12");
  assert.deepEqual(
    ["a", "b", "d"].map((key) => map.get(key)),
    ["12345", undefined, "12"],
  );
});
