import assert from "node:assert/strict";
import { test } from "node:test";
import { recordPart } from "./record-part.ts";
import { rememberingPart } from "./remembered-part.ts";

const told = (version: string) => ({ captured: { interpreter: { version } } });

test("the same part again is the same object, and another one is another", () => {
  const schema = rememberingPart();
  const first = schema.parse(told("3.12"));
  assert.deepEqual(first, recordPart.parse(told("3.12")));
  assert.equal(schema.parse(told("3.12")), first);
  assert.deepEqual(schema.parse(told("3.13")), recordPart.parse(told("3.13")));
  const asField = schema.nullable().default(null);
  assert.equal(asField.parse(told("3.12")), first);
  assert.equal(asField.parse(null), null);
});

test("what is no part is refused each time, as by the schema itself", () => {
  const schema = rememberingPart();
  let deep: unknown = 1;
  for (let level = 0; level < 100_000; level++) deep = [deep];
  for (const wrong of [
    ...[{ captured: { nonsense: { a: 1 } } }, { captured: { cpu: { a: null } } }, { more: 1 }],
    // JSON has 1e999 as well, and both stand as null in a text.
    ...[{ captured: { cpu: { a: Number.POSITIVE_INFINITY } } }, null, "text", [], { deep }],
  ])
    for (let time = 0; time < 2; time++)
      assert.deepEqual(
        schema.safeParse(wrong).error?.issues,
        recordPart.safeParse(wrong).error?.issues,
      );
});

test("no more is remembered than it has room for; what was not seen for longest goes first", () => {
  const room = JSON.stringify(told("1")).length * 2;
  const schema = rememberingPart(room);
  const [one, two] = [schema.parse(told("1")), schema.parse(told("2"))];
  assert.equal(schema.parse(told("1")), one);
  schema.parse(told("3"));
  assert.equal(schema.parse(told("1")), one);
  assert.notEqual(schema.parse(told("2")), two);
  const large = told("x".repeat(room));
  assert.notEqual(schema.parse(large), schema.parse(large));
});
