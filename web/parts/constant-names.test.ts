import assert from "node:assert/strict";
import { test } from "node:test";
import { constantNames, withoutNames } from "./constant-names.ts";

test("what all trials have alike is constant, and what some lack is not", () => {
  const trials: Parameters<typeof withoutNames>[0][] = [
    { a: 1, b: [1], c: 1, e: 1 },
    { a: 1, b: [1], c: 2, e: 1, d: 1 },
    { a: 1, b: [1], c: 1 },
  ];
  const of = (some: typeof trials): string[] =>
    constantNames(some.map((hyperparameters) => ({ hyperparameters })));
  assert.deepEqual(of(trials), ["a", "b"]);
  assert.deepEqual(of(trials.slice(0, 1)), []);
  assert.deepEqual(of([]), []);
  assert.deepEqual(withoutNames({ a: 1, c: 2 }, ["a"]), { c: 2 });
});
