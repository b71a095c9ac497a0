import assert from "node:assert/strict";
import { test } from "node:test";
import { BlobGate } from "./blob-gate.ts";

test("what is held is not taken, by however many it is held", async () => {
  const gate = new BlobGate();
  const [first, second] = [await gate.hold(["a", "b"]), await gate.hold(["a", "a"])];
  assert.deepEqual(gate.take(["a", "b", "c"]).names, ["c"]);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.deepEqual(gate.take(["a", "b"]).names, ["b"]);
  second[Symbol.dispose]();
  assert.deepEqual(gate.take(["a"]).names, ["a"]);
});

test("who wants what is taken waits until it is given back", async () => {
  const gate = new BlobGate();
  const taken = gate.take(["a", "b"]);
  assert.deepEqual(gate.take(["a"]).names, [], "one deletion at a time");
  const seen: string[] = [];
  const holding = gate.hold(["a", "x"]).then((held) => {
    seen.push("held");
    return held;
  });
  const other = await gate.hold(["x"]);
  await Promise.resolve();
  assert.deepEqual(seen, [], "others are not held up");
  taken[Symbol.dispose]();
  using held = await holding;
  assert.deepEqual(held.names, ["a", "x"]);
  assert.deepEqual(gate.take(["a", "b"]).names, ["b"]);
  other[Symbol.dispose]();
});
