import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DIFFERENCES_MAX, type Diff, diffLines, hunksOf, unifiedText } from "./line-diff.ts";

const show = ({ lines }: Diff): string[] =>
  lines.map(({ kind, text }) => `${{ same: " ", removed: "-", added: "+" }[kind]}${text}`);

const side = ({ lines }: Diff, other: "removed" | "added"): string[] =>
  lines.filter(({ kind }) => kind !== other).map(({ text }) => text);

test("lines that went, that came and that stayed", () => {
  const table: [string, string, string[]][] = [
    ["", "", []],
    ["a\n", "", ["-a"]],
    ["", "a\n", ["+a"]],
    ["a\nb\nc\n", "a\nx\nc\n", [" a", "-b", "+x", " c"]],
    ["a\nb\nc\nd\n", "b\nc\nx\nd\n", ["-a", " b", " c", "+x", " d"]],
    ["a\n", "a", ["-a", "+a  (no line end)"]],
  ];
  for (const [before, after, expected] of table)
    assert.deepEqual(show(diffLines(before, after)), expected, JSON.stringify([before, after]));
});

test("numbers count each side by itself", () => {
  const { lines } = diffLines("a\nb\n", "x\na\nb\n");
  assert.deepEqual(
    lines.map(({ before, after }) => [before, after]),
    [
      [undefined, 1],
      [1, 2],
      [2, 3],
    ],
  );
});

test("both texts can be read off it, and no shorter way exists", () => {
  const text = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 10 });
  fc.assert(
    fc.property(text, text, (a, b) => {
      const diff = diffLines(a.map((x) => `${x}\n`).join(""), b.map((x) => `${x}\n`).join(""));
      assert.deepEqual(side(diff, "added"), a);
      assert.deepEqual(side(diff, "removed"), b);
      assert.equal(diff.removed + diff.added, a.length + b.length - 2 * longestCommon(a, b));
    }),
    { seed: 20261123 },
  );
});

/** By the table of all prefixes: slow, and plainly right. */
function longestCommon(a: readonly string[], b: readonly string[]): number {
  const table = Array.from({ length: a.length + 1 }, () => Array<number>(b.length + 1).fill(0));
  for (const [i, x] of a.entries())
    for (const [j, y] of b.entries())
      (table[i + 1] as number[])[j + 1] =
        x === y
          ? (table[i]?.[j] ?? 0) + 1
          : Math.max(table[i]?.[j + 1] ?? 0, table[i + 1]?.[j] ?? 0);
  return table[a.length]?.[b.length] ?? 0;
}

test("texts with too many differences are replaced as a whole, between what they share", () => {
  const many = (word: string): string =>
    `first\n${Array.from({ length: DIFFERENCES_MAX }, (_, i) => `${word} ${i}\n`).join("")}last\n`;
  const diff = diffLines(many("a"), many("b"));
  assert.equal(diff.exact, false);
  assert.equal(diff.lines[0]?.kind, "same");
  assert.equal(diff.lines.at(-1)?.kind, "same");
  assert.deepEqual([diff.removed, diff.added], [DIFFERENCES_MAX, DIFFERENCES_MAX]);
  assert.deepEqual(side(diff, "removed").join("\n"), many("b").trimEnd());
});

test("hunks leave out what is the same, and say how much", () => {
  const lines = Array.from({ length: 20 }, (_, i) => `line ${i}`);
  const before = `${lines.join("\n")}\n`;
  const hunks = hunksOf(diffLines(before, before.replace("line 9\n", "")), 2);
  assert.deepEqual(
    hunks.map((hunk) => [hunk.skipped, hunk.lines.map(({ text }) => text)]),
    [
      [7, ["line 7", "line 8", "line 9", "line 10", "line 11"]],
      [8, []],
    ],
  );
});

test("as diff -u writes it", () => {
  const lines = Array.from({ length: 9 }, (_, i) => `line ${i + 1}\n`);
  const before = lines.join("");
  const after = before.replace("line 5\n", "line five\nand more\n");
  assert.equal(
    unifiedText(diffLines(before, after), 1),
    "@@ -4,3 +4,4 @@\n line 4\n-line 5\n+line five\n+and more\n line 6\n",
  );
  assert.equal(unifiedText(diffLines("", "a\n")), "@@ -0,0 +1,1 @@\n+a\n");
  assert.equal(unifiedText(diffLines(before, before)), "");
});
