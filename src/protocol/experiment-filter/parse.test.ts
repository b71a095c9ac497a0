/** The language of filters: what is read, and that every fault has its place and its word. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { experimentState as wire } from "../api/state.ts";
import { FILTER_FIELDS, isFieldName } from "./fields.ts";
import { type FilterTerm, parseFilter, withoutTasks } from "./parse.ts";
import { experimentState } from "./states.ts";

function terms(text: string): readonly FilterTerm[] {
  const reading = parseFilter(text);
  assert.ok(reading.ok, JSON.stringify(reading));
  return reading.terms;
}

const short = (text: string): string[] =>
  terms(text).map(
    ({ negated, field, comparison, values }) =>
      `${negated ? "not " : ""}${field} ${comparison} ${values.join("|")}`,
  );

const faults = (text: string): string[] => {
  const reading = parseFilter(text);
  return reading.ok
    ? []
    : reading.issues.map(
        ({ code, column, length, suggestion }) =>
          `${column}+${length} ${code}${suggestion === undefined ? "" : ` → ${suggestion}`}`,
      );
};

describe("a filter is read", () => {
  for (const [text, expected] of [
    ["", []],
    ["   ", []],
    ["state:active", ["state equals active"]],
    ["state=active,paused", ["state equals active|paused"]],
    ["-label:old label:new", ["not label equals old", "label equals new"]],
    ["resnet -vgg", ["anywhere contains resnet", "not anywhere contains vgg"]],
    ['name~"res net" "two words"', ["name contains res net", "anywhere contains two words"]],
    ['name:"say \\"hi\\" \\\\"', ['name equals say "hi" \\']],
    ["best>=-0.5e3 metric<0.1 metric:loss", ["best >= -0.5e3", "best < 0.1", "metric equals loss"]],
    [
      "owner!=bob name!~x -owner!=eve",
      ["not owner equals bob", "not name contains x", "owner equals eve"],
    ],
    ["created>2026-01-01", ["created > 2026-01-01T00:00Z"]],
    ["created<=2026-01-01T10:30+02:00", ["created <= 2026-01-01T10:30+02:00"]],
    ["STATE:active", ["state equals active"]],
    [
      "kind:shell,notebook -kind:experiment",
      ["kind equals shell|notebook", "not kind equals experiment"],
    ],
    ["verdict=identical,none", ["verdict equals identical|none"]],
    ['-verdict:"not comparable"', ["not verdict equals not_comparable"]],
    ["- a-b 3", ["anywhere contains -", "anywhere contains a-b", "anywhere contains 3"]],
  ] as const)
    test(JSON.stringify(text), () => assert.deepEqual(short(text), expected));
});

describe("a fault is named with its place and the nearest word", () => {
  for (const [text, expected] of [
    ["sate:active", ["1+11 unknown_field → state"]],
    ["state:activ best>x", ["1+11 bad_value → active", "13+6 bad_value"]],
    ["kind:shel", ["1+9 bad_value → shell"]],
    ["verdict:differ", ["1+14 bad_value → differs"]],
    ["label~x state<3", ["1+7 bad_operator", "9+7 bad_operator"]],
    ["name:", ["1+5 bad_value"]],
    ['name:"open', ["6+5 unclosed_quote"]],
    ["created>2026-02-31 created>soon", ["1+18 bad_value", "20+12 bad_value"]],
    ["best>1,2", ["1+8 bad_value"]],
    ["zzzzzzzz:1", ["1+10 unknown_field"]],
    ["__proto__:1 constructor:x", ["1+11 unknown_field", "13+13 unknown_field"]],
    ["best:1e999", ["1+10 bad_value"]],
    ["a".repeat(2001), ["1+1 too_long"]],
    ["a ".repeat(60), ["1+1 too_long"]],
  ] as const)
    test(JSON.stringify(text.slice(0, 40)), () => assert.deepEqual(faults(text), expected));
});

test("whatever is written, it is read or refused with a place inside the text", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "-",
      " ",
      ":",
      "<",
      '"',
      "\\",
      ",",
      "~",
      "!=",
      "state",
      "best",
      "created",
      "2026-01-01",
      "\0",
      "\n",
    ),
    fc.string({ maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join("");
      const reading = parseFilter(text);
      if (reading.ok) {
        for (const { field, values } of reading.terms) {
          assert.ok(field === "anywhere" || isFieldName(field));
          assert.ok(
            values.length > 0 && values.every((value) => value !== "" && !value.includes("\0")),
          );
        }
        return;
      }
      assert.ok(reading.issues.length > 0);
      for (const { column, length, message } of reading.issues) {
        assert.ok(column >= 1 && length >= 1 && column - 1 + length <= Math.max(1, text.length));
        assert.ok(message.length > 10);
      }
    }),
    { seed: 20261123 },
  );
});

test("what is quoted comes back as it was written", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 40 }), (value) => {
      fc.pre(!value.includes("\0"));
      const quoted = `"${value.replace(/[\\"]/g, "\\$&")}"`;
      const [term, ...rest] = terms(`name~${quoted}`);
      assert.deepEqual(rest, []);
      assert.deepEqual(term?.values, [value]);
    }),
    { seed: 20261123 },
  );
});

test("the states are those of the wire, and every field says what it is", () => {
  assert.deepEqual([...experimentState].sort(), [...wire.options].sort());
  for (const [name, { says }] of Object.entries(FILTER_FIELDS)) assert.ok(says !== "", name);
});

test("tasks are left out unless kind is asked for, in whatever way", () => {
  const words = (text: string) =>
    withoutTasks(terms(text)).map(({ field, values }) => `${field} ${values}`);
  assert.deepEqual(words("state:active"), ["state active", "kind experiment"]);
  assert.deepEqual(words(""), ["kind experiment"]);
  assert.deepEqual(words("-kind:shell"), ["kind shell"]);
});
