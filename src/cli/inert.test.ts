import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  columnsOf,
  cut,
  cutPainted,
  inert,
  inertJson,
  inertLines,
  inertLog,
  pad,
} from "./inert.ts";

/** What no output for people may contain, written out once more, independently. */
const OBEYED = (text: string): boolean =>
  [...text].some((char) => {
    const code = char.codePointAt(0) ?? 0;
    return (
      code < 0x20 ||
      (code >= 0x7f && code <= 0x9f) ||
      (code >= 0x202a && code <= 0x202e) ||
      (code >= 0x2066 && code <= 0x2069) ||
      (code >= 0xd800 && code <= 0xdfff)
    );
  });

const hostile = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({
    unit: fc.constantFrom(
      "\x1b",
      "[",
      "31m",
      "\x07",
      "\u202e",
      "\r",
      "\n",
      "\t",
      "\ud83d",
      "é",
      "中",
      "👩‍💻",
      "a",
      "\x00",
      "\x9b",
    ),
  }),
);

test("known dangers are shown as escapes", () => {
  const cases: [string, string][] = [
    ["plain – ünï, 中文, עברית, 👩‍💻", "plain – ünï, 中文, עברית, 👩‍💻"],
    ["\x1b[2Jgone", "\\x1b[2Jgone"],
    ["a\nb\tc\rd", "a\\nb\\tc\\rd"],
    ["\x00\x07\x9b", "\\x00\\x07\\x9b"],
    ["txt.\u202eexe", "txt.\\u202eexe"],
    ["a\u200bb\ufeff", "a\\u200bb\\ufeff"],
    ["\ud800", "\\ud800"],
    ["\u{e0041}", "\\u{e0041}"],
    ["", ""],
  ];
  for (const [text, shown] of cases) assert.equal(inert(text), shown);
});

test("nothing that a terminal obeys comes through, whatever the text", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      assert.equal(OBEYED(inert(text)), false);
      assert.equal(OBEYED(inertLog(text)), false);
      for (const line of inertLines(text)) assert.equal(OBEYED(line), false);
    }),
    { seed: 7, numRuns: 500 },
  );
});

test("inert JSON means the same and is safe to print", () => {
  fc.assert(
    fc.property(fc.dictionary(hostile, fc.oneof(hostile, fc.double(), fc.boolean())), (value) => {
      for (const indent of [undefined, 2]) {
        const text = inertJson(value, indent);
        assert.equal(OBEYED(text.replaceAll("\n", "")), false);
        assert.equal(JSON.stringify(JSON.parse(text)), JSON.stringify(value));
      }
    }),
    { seed: 7, numRuns: 300 },
  );
});

test("a program's line: colours go, bars show their last state and say what is hidden", () => {
  const cases: [string, string][] = [
    ["\x1b[1;31merror\x1b[0m: no", "error: no"],
    ["\x1b[2J\x1b[Hgone", "\\x1b[2J\\x1b[Hgone"],
    ["done\r", "done"],
    ["1 %\r50 %\r100 %", "100 %  [2 overwritten before; --raw shows all]"],
    ["a\tb", "a    b"],
  ];
  for (const [text, shown] of cases) assert.equal(inertLog(text), shown);
});

test("columns are counted as a terminal counts them", () => {
  const cases: [string, number][] = [
    ["abc", 3],
    ["中文", 4],
    ["é", 1],
    ["e\u0301", 1],
    ["👩‍💻", 2],
    ["ｆｕｌｌ", 8],
    ["…·█", 3],
    ["", 0],
  ];
  for (const [text, columns] of cases) assert.equal(columnsOf(text), columns, text);
});

test("a cut text fits and is a beginning of the whole", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      fc.integer({ min: 0, max: 12 }),
      (raw, columns) => {
        const text = inert(raw);
        const short = cut(text, columns);
        assert.ok(columnsOf(short) <= columns);
        if (short !== text && columns > 0) {
          assert.ok(short.endsWith("…"));
          assert.ok(text.startsWith(short.slice(0, -1)));
        }
        assert.equal(columnsOf(pad(short, columns, "left")), columns);
      },
    ),
    { seed: 7, numRuns: 500 },
  );
});

test("a painted line is cut by what is seen, and no colour stays on", () => {
  const line = "\x1b[1mbold\x1b[22m and \x1b[31mred\x1b[39m";
  const cases: [number, string][] = [
    [12, line],
    [11, "\x1b[1mbold\x1b[22m and \x1b[31mr…\x1b[39m"],
    [9, "\x1b[1mbold\x1b[22m and…\x1b[31m\x1b[39m"],
    [4, "\x1b[1mbol…\x1b[22m\x1b[31m\x1b[39m"],
    [0, "\x1b[1m\x1b[22m\x1b[31m\x1b[39m"],
  ];
  for (const [columns, cutLine] of cases) assert.equal(cutPainted(line, columns), cutLine);
});
