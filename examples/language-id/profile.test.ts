import assert from "node:assert/strict";
import { test } from "node:test";
import { baselineAccuracy } from "./baseline.ts";
import { nearest, ngramsOf, outOfPlace, type Profile, profileOf } from "./profile.ts";

test("the paper's example: the n-grams of TEXT, with one blank before and enough after", () => {
  const ngrams = [...ngramsOf("TEXT")];
  const ofLength = (n: number): string[] => ngrams.filter((ngram) => ngram.length === n);
  assert.deepEqual(ofLength(1), ["T", "E", "X", "T"]);
  assert.deepEqual(ofLength(2), ["_T", "TE", "EX", "XT", "T_"]);
  assert.deepEqual(ofLength(3), ["_TE", "TEX", "EXT", "XT_", "T__"]);
  assert.deepEqual(ofLength(4), ["_TEX", "TEXT", "EXT_", "XT__", "T___"]);
  assert.deepEqual(ofLength(5), ["_TEXT", "TEXT_", "EXT__", "XT___", "T____"]);
});

test("digits and punctuation part tokens, apostrophes and combining marks do not", () => {
  assert.deepEqual([...ngramsOf("a-b 7")], [...ngramsOf("a"), ...ngramsOf("b")]);
  assert.ok([...ngramsOf("d'or")].includes("d'or_"));
  assert.ok([...ngramsOf("\u0995\u09be")].includes("_\u0995\u09be_"));
});

test("a profile ranks by frequency, then by code unit, and is cut to its length", () => {
  const profile = profileOf(["ab", "a"], 4);
  // Twice: _a and a. All others once, so the first two of them in code-unit order fill the list.
  assert.deepEqual([...profile.keys()], ["_a", "a", "_a_", "_a__"]);
  assert.deepEqual([...profile.values()], [0, 1, 2, 3]);
});

test("out-of-place distance: differences of rank, and the whole length for what is missing", () => {
  const ranks = (...ngrams: string[]): Profile => new Map(ngrams.map((ngram, i) => [ngram, i]));
  // The figure of the paper, in small: TH stays (0), ING is 3 away, ON 1, ER is missing.
  const language = ranks("TH", "ER", "ON", "LE", "ING", "AND");
  assert.equal(outOfPlace(ranks("TH", "ING", "ON", "ED"), language, 10), 0 + 3 + 0 + 10);
  assert.equal(outOfPlace(language, language, 10), 0);
});

test("the nearest profile wins, the first of equally near ones", () => {
  const languages = new Map([
    ["es", profileOf(["hola", "adiós", "mañana", "señora"])],
    ["de", profileOf(["schön", "tschüss", "morgen", "straße"])],
  ]);
  assert.equal(nearest("mañana", languages), "es");
  assert.equal(nearest("schüssel", languages), "de");
  assert.equal(nearest("ξ", languages), "es");
});

test("accuracy is the share of right answers on strings it has not seen", () => {
  const of = (language: string, ...names: string[]) => names.map((name) => ({ language, name }));
  const train = [...of("aa", "kata", "taka", "kaka"), ...of("bb", "lomo", "molo", "lolo")];
  const test = [...of("aa", "tata", "lomo"), ...of("bb", "momo", "olom")];
  assert.equal(baselineAccuracy(train, test), 0.75);
});
