/** Row I11: the patterns of an ignore file are the user's, and none of them can hold a scan up. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isIgnored, parseIgnoreFile } from "./ignore-file.ts";

const ignored = (pattern: string, path: string, isFolder = false): boolean =>
  isIgnored(parseIgnoreFile(pattern), path, isFolder);

describe("patterns", () => {
  const cases: [pattern: string, fits: string[], not: string[]][] = [
    ["*.pyc", ["a.pyc", "a/b/c.pyc", ".pyc"], ["a.py", "a.pyc/b"]],
    ["/data", ["data"], ["a/data"]],
    ["a/*.log", ["a/x.log"], ["x/a/x.log", "a/b/x.log"]],
    ["a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["z", "b/a/z", "a/zz"]],
    ["**/z", ["z", "a/z", "a/b/z"], ["z/a"]],
    ["a/**", ["a/b", "a/b/c"], ["a", "b/a"]],
    ["**", ["a", "a/b"], []],
    ["a**b", ["ab", "axb"], ["a/b"]],
    ["?", ["a", "x/é", "😀"], ["ab", ""]],
    ["[a-c]x", ["ax", "bx"], ["dx", "x"]],
    ["[!a-c]x", ["dx"], ["ax", "/x"]],
    ["[^a]", ["b"], ["a"]],
    ["[]a]", ["]", "a"], ["b"]],
    ["[a-]", ["a", "-"], ["b"]],
    ["[z-a]x", [], ["zx", "ax", "[z-a]x"]],
    ["[a", ["[a"], ["a"]],
    ["[!-Z]x", [], ["a/x"]],
    ["\\*", ["*"], ["a"]],
    ["\\#x", ["#x"], ["x"]],
    ["a\\ ", ["a "], ["a"]],
    ["a  \t", ["a"], ["a "]],
    ["a.b+(c)|$^", ["a.b+(c)|$^"], ["aab", "a.bb(c)"]],
    ["*a*b*", ["ab", "xaxbx"], ["ba"]],
    ["*aab", ["aaab", "aab"], ["aaba"]],
  ];
  for (const [pattern, fits, not] of cases)
    test(`${JSON.stringify(pattern)}`, () => {
      for (const path of fits) assert.equal(ignored(pattern, path), true, path);
      for (const path of not) assert.equal(ignored(pattern, path), false, path);
    });

  test("fit what a plain reading of them says, whatever the pattern and the path", () => {
    const part = fc.constantFrom("a", "b", "*", "?", "**");
    const pattern = fc.array(fc.array(part, { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 4,
    });
    const name = fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 4 });
    const path = fc.array(name, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(pattern, path, (levels, names) => {
        const words = levels.map((level) => level.join(""));
        const text = names.map((letters) => letters.join(""));
        // A leading slash anchors, so that the plain reading needs one rule less.
        assert.equal(
          ignored(`/${words.join("/")}`, text.join("/")),
          plainly(words, text),
          `${words.join("/")} ${text.join("/")}`,
        );
      }),
      { seed: 7, numRuns: 3_000 },
    );
  });

  /** By recursion over every choice: slow, and without a trick to be wrong about. */
  function plainly(levels: readonly string[], names: readonly string[]): boolean {
    const [level, ...rest] = levels;
    if (level === undefined) return names.length === 0;
    if (/^\*\*+$/.test(level)) {
      if (rest.length === 0) return names.length > 0;
      return names.some((_, i) => plainly(rest, names.slice(i))) || plainly(rest, []);
    }
    const [name, ...others] = names;
    return name !== undefined && letters(level, name) && plainly(rest, others);
  }
  function letters(part: string, name: string): boolean {
    if (part === "") return name === "";
    if (part[0] === "*")
      return letters(part.slice(1), name) || (name !== "" && letters(part, name.slice(1)));
    return (
      name !== "" &&
      (part[0] === "?" || part[0] === name[0]) &&
      letters(part.slice(1), name.slice(1))
    );
  }
});

test("patterns that would keep a regular expression busy for years are judged at once (row I11)", (t) => {
  const long = "a".repeat(255);
  const deep = Array(128).fill("a".repeat(30)).join("/");
  const hostile: [pattern: string, path: string][] = [
    [`${"*a".repeat(60)}*b`, long],
    [`${"a*".repeat(120)}b`, long],
    [`${"?*".repeat(120)}b`, long],
    [`${"[a-z]*".repeat(60)}b`, long],
    [`/${"**/".repeat(200)}b`, deep],
    [`/${"**/a*a*/".repeat(100)}b`, deep],
    [`/${"*/".repeat(127)}b`, deep],
    [`${"*".repeat(4000)}b`, long],
    [`${"[".repeat(4000)}`, long],
    [`x${" ".repeat(500_000)}x`, long],
    [`x${"/".repeat(500_000)}x`, long],
    ["*a".repeat(500_000), long],
  ];
  let slowest = 0;
  for (const [pattern, path] of hostile) {
    const began = process.cpuUsage();
    assert.equal(ignored(pattern, path), false, pattern.slice(0, 40));
    const { user, system } = process.cpuUsage(began);
    slowest = Math.max(slowest, (user + system) / 1000);
  }
  t.diagnostic(
    `I11: ${hostile.length} patterns made to backtrack, the slowest ${slowest.toFixed(1)} ms of the processor`,
  );
});
