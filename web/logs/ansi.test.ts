import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { inert } from "../../src/cli/inert.ts";
import { shownLine } from "./ansi.ts";

const ESC = "\x1b";
const pieces = (text: string, max?: number) =>
  shownLine(text, max).pieces.map(({ text: shown, look }) => [shown, look]);

test("colours come from the allow-list, the rest stands as escapes", () => {
  const table: [string, (readonly [string, string])[]][] = [
    ["plain", [["plain", ""]]],
    [
      `${ESC}[31mred${ESC}[0m done`,
      [
        ["red", "sgr-fg1"],
        [" done", ""],
      ],
    ],
    [
      `${ESC}[1;92mok${ESC}[22m!`,
      [
        ["ok", "sgr-bold sgr-fg10"],
        ["!", "sgr-fg10"],
      ],
    ],
    [`${ESC}[mx`, [["x", ""]]],
    [
      `${ESC}[38;5;196mr${ESC}[39mp`,
      [
        ["r", "sgr-fg1"],
        ["p", ""],
      ],
    ],
    [`${ESC}[38;2;0;0;170mb`, [["b", "sgr-fg4"]]],
    [`${ESC}[38:2:0:170:0mg`, [["g", "sgr-fg2"]]],
    [`${ESC}[44;30mon blue`, [["on blue", "sgr-bg4"]]],
    // A blinking, hidden or unknown look is passed over; numbers of a colour are not taken for looks.
    [`${ESC}[5;8;53;38;5;1mx`, [["x", "sgr-fg1"]]],
    [`${ESC}[38;5;999mx`, [["x", ""]]],
    [`${ESC}[2Jx`, [["\\x1b[2Jx", ""]]],
    [`${ESC}]8;;http://x${ESC}\\link`, [["\\x1b]8;;http://x\\x1b\\link", ""]]],
    ["a\0b\u202ec\x9b31m", [["a\\x00b\\u202ec\\x9b31m", ""]]],
    ["a\tb", [["a    b", ""]]],
  ];
  for (const [text, expected] of table) assert.deepEqual(pieces(text), expected, inert(text));
});

test("a progress bar is shown in its last state, in the colour that it has", () => {
  const bar = shownLine(`${ESC}[32m 10 %\r 50 %\r100 %${ESC}[0m\r`);
  assert.deepEqual(bar.pieces, [{ text: "100 %", look: "sgr-fg2" }]);
  assert.equal(bar.overwritten, 2);
  // A line that only ends with a return is a line.
  assert.deepEqual(shownLine("windows\r"), { ...shownLine("windows"), overwritten: 0 });
});

test("a long line is cut, not in the middle of a character, and says by how much", () => {
  const line = shownLine("ab\u{1f600}cd", 3);
  assert.deepEqual(line, { pieces: [{ text: "ab", look: "" }], overwritten: 0, cut: 4 });
  assert.equal(shownLine("x".repeat(1_000_000), 400).cut, 999_600);
});

test("a line of nothing but colours makes few elements", () => {
  const bomb = Array.from({ length: 20_000 }, (_, i) => `${ESC}[3${i % 8}mx`).join("");
  const { pieces: shown } = shownLine(bomb);
  assert.ok(shown.length <= 201, String(shown.length));
  assert.equal(shown.map(({ text }) => text).join(""), "x".repeat(20_000));
});

test("whatever a program writes is inert, and nothing of it is lost but colours and tabs", () => {
  const parts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "\x1b[31m",
      "\x1b[",
      "m",
      ";",
      "\u202e",
      "\0",
      "<script>",
      "\x1b[38;5m",
      "\x1b]0;",
    ),
  );
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 12 }), (all) => {
      const text = all.join("").replaceAll("\r", "");
      const { pieces: shown } = shownLine(text);
      const joined = shown.map((piece) => piece.text).join("");
      assert.equal(inert(joined), joined);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what is taken out
      const plain = text.replace(/\x1b\[[0-9;:]{0,64}m/g, "").replaceAll("\t", "    ");
      assert.equal(joined.replaceAll("\\", ""), inert(plain).replaceAll("\\", ""));
      for (const { look } of shown)
        assert.match(look, /^(?:sgr-(?:bold|dim|italic|underline|fg\d+|bg\d+) ?)*$/);
    }),
    { seed: 20261123 },
  );
});
