/** What PostgreSQL can hold of the JSON that programs send. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { storableJson } from "./storable.ts";

const check = (text: string, expected: string): void =>
  assert.equal(JSON.stringify(storableJson(JSON.parse(text))), expected);

test("what can be stored is the same afterwards, and a copy", () => {
  const text = '{"b":[1,null,{"c":"é"}],"a":{"10":true,"2":-1.5}}';
  check(text, JSON.stringify(JSON.parse(text)));
  const given = { list: [{ text: "x" }] };
  const copy = storableJson(given);
  given.list[0] = { text: "changed" };
  assert.deepEqual(copy, { list: [{ text: "x" }] });
});

test("NUL and halves of pairs are replaced wherever they stand, in names too", () => {
  check('{"a\\u0000":"\\ud800","b":["\\u0000"]}', '{"a\ufffd":"\ufffd","b":["\ufffd"]}');
});

test("a member __proto__ is one like any other, also beside a name that is replaced", () => {
  check('{"__proto__":{"x":"\\u0000"}}', '{"__proto__":{"x":"\ufffd"}}');
  check('{"__proto__":1,"\\u0000":2}', '{"__proto__":1,"\ufffd":2}');
});
