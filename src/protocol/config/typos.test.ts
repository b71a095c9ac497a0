/** Every known key, misspelled in its place, is suggested. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type * as z from "zod";
import { readConfig } from "./config.ts";
import { topLevel } from "./fields.ts";
import { FORMS } from "./hyperparameter-fields.ts";
import { editDistance, nearest } from "./nearest.ts";
import { NOT_SERVED } from "./not-served.ts";
import { keysOf } from "./schema-walk.ts";
import { SEARCHERS } from "./searcher-fields.ts";

/** A doubled letter, a dropped one and two swapped: the typos that fingers make. */
function typosOf(word: string): string[] {
  const middle = Math.max(1, Math.floor(word.length / 2));
  const swapped =
    word.slice(0, middle - 1) + word[middle]! + word[middle - 1]! + word.slice(middle + 1);
  const typos = [
    word.slice(0, middle) + word[middle - 1]! + word.slice(middle),
    word.slice(0, middle) + word.slice(middle + 1),
    swapped,
  ];
  return typos.filter((typo) => typo !== word && typo.length > 1);
}

interface Spot {
  readonly key: string;
  /** The file with this word in the place of the key. */
  readonly file: (word: string) => string;
}

function spots(): Spot[] {
  const at = (before: string, after: string) => (word: string) =>
    `entrypoint: a\n${before}${word}: 1${after}\n`;
  const inBlock = (block: string, schema: z.ZodType | undefined): Spot[] =>
    keysOf(schema).map((key) => ({ key, file: at(`${block}: {`, "}") }));
  const top = [...keysOf(topLevel), "searcher", "hyperparameters"].map((key) => ({
    key,
    file: at("", ""),
  }));
  const blocks = Object.entries(topLevel.def.shape as { [key: string]: z.ZodType }).flatMap(
    ([name, field]) => inBlock(name, field),
  );
  const searchers = Object.entries(SEARCHERS).flatMap(([name, schema]) =>
    keysOf(schema)
      .filter((key) => key !== "name")
      .map((key) => ({ key, file: at(`searcher: {name: ${name}, `, "}") })),
  );
  const forms = Object.entries(FORMS).flatMap(([form, schema]) =>
    keysOf(schema)
      .filter((key) => key !== "type")
      .map((key) => ({ key, file: at(`hyperparameters: {a: {type: ${form}, `, "}}") })),
  );
  const notServed = NOT_SERVED.map(({ field }) => {
    const [block, key] = field.split(".") as [string, string | undefined];
    return key === undefined
      ? { key: block, file: at("", "") }
      : { key, file: at(`${block}: {`, "}") };
  });
  return [...top, ...blocks, ...searchers, ...forms, ...notServed];
}

describe("typos", () => {
  it("of every key are answered with the key", () => {
    let tried = 0;
    for (const { key, file } of spots()) {
      for (const typo of typosOf(key)) {
        const reading = readConfig(file(typo));
        const issues = reading.ok ? [] : reading.issues;
        const found = issues.find((issue) => issue.code === "unknown_key");
        // A typo of one key may be another key; then there is nothing to suggest.
        if (!found && issues.every((issue) => issue.path.endsWith(`.${typo}`))) continue;
        assert.equal(
          found?.suggestion,
          key,
          `${typo} for ${key}\n${file(typo)}\n${found?.message}`,
        );
        assert.equal(found.line, 2);
        tried++;
      }
    }
    assert.ok(tried > 200, `${tried} typos`);
  });
});

describe("nearest", () => {
  const cases: readonly (readonly [string, readonly string[], string | undefined])[] = [
    ["divsor", ["divisor", "mode"], "divisor"],
    ["Max-Length", ["max_length", "max_time"], "max_length"],
    ["smaler_is_beter", ["smaller_is_better"], "smaller_is_better"],
    ["xyz", ["divisor", "mode"], undefined],
    ["", ["mode"], undefined],
    ["mdoe", ["node", "mode"], "mode"],
    ["m", ["mode"], undefined],
  ];
  for (const [given, words, wanted] of cases) {
    it(`${JSON.stringify(given)} gives ${wanted}`, () =>
      assert.equal(nearest(given, words), wanted));
  }

  it("counts steps", () => {
    assert.equal(editDistance("kitten", "sitting"), 3);
    assert.equal(editDistance("ab", "ba"), 1);
    assert.equal(editDistance("abc", "abc"), 0);
    assert.equal(editDistance("abcdef", "uvwxyz", 2), 3);
    assert.equal(editDistance("", "abc"), 3);
  });
});
