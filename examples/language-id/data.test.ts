import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readMeta, readSplit, SPLITS, splitNames, splitOf, writeDataset } from "./data.ts";
import { collectNames, normalise, ownNames } from "./names.ts";

const RULES = { varietyShare: 0.5, namesMin: 3, ownNamesMin: 2 };
const names = (entries: { [language: string]: string[] }) => new Map(Object.entries(entries));

test("a name of two languages belongs to neither, and both keep the rest", () => {
  const own = ownNames(
    names({ aa: ["one", "shared", "two", "three"], bb: ["four", "shared", "five", "six"] }),
    RULES,
  );
  assert.deepEqual(
    [...own],
    [
      ["aa", ["one", "two", "three"]],
      ["bb", ["four", "five", "six"]],
    ],
  );
});

test("a variety is left out and gives its names back to the bigger language", () => {
  const own = ownNames(
    names({ big: ["a", "b", "c", "d"], far: ["x", "y", "z"], var: ["a", "b", "v"] }),
    RULES,
  );
  assert.deepEqual([...own.keys()], ["big", "far"]);
  assert.deepEqual(own.get("big"), ["a", "b", "c", "d"]);
});

test("of two languages with the same names the shorter and then the earlier code stays", () => {
  const same = ["a", "b", "c"];
  assert.deepEqual([...ownNames(names({ ars: same, ar: same }), RULES).keys()], ["ar"]);
  assert.deepEqual([...ownNames(names({ no: same, nb: same }), RULES).keys()], ["nb"]);
});

test("leaving out a language with too few names of its own counts the others again", () => {
  const own = ownNames(
    names({
      aa: ["p", "q", "r", "s", "t"],
      bb: ["s", "t", "u", "v"],
      cc: ["u", "v", "w", "p"],
    }),
    { ...RULES, varietyShare: 0.9, ownNamesMin: 2 },
  );
  assert.deepEqual(
    [...own],
    [
      ["aa", ["q", "r", "s", "t"]],
      ["cc", ["u", "v", "w"]],
    ],
  );
});

test("names are normalised without regard to the language", () => {
  assert.equal(normalise("  Co\u0302te  d\u2019Ivoire "), "c\u00f4te d\u2019ivoire");
  assert.equal(normalise("I"), "i");
});

test("a name's side depends on the name alone", () => {
  const few = splitNames(names({ aa: ["peru", "chile"] }));
  const many = splitNames(names({ aa: ["chile", "cuba", "peru"], bb: ["perou", "chili"] }));
  for (const split of SPLITS)
    for (const { name } of few[split]) {
      assert.equal(splitOf(name), split);
      assert.ok(many[split].some((example) => example.name === name));
    }
});

test("about 70, 15 and 15 of a hundred strings fall on the three sides", () => {
  const counts = { train: 0, validation: 0, test: 0 };
  for (let i = 0; i < 20_000; i++) counts[splitOf(`name ${i}`)]++;
  assert.ok(Math.abs(counts.train - 14_000) < 300, JSON.stringify(counts));
  assert.ok(Math.abs(counts.validation - 3_000) < 200, JSON.stringify(counts));
});

test("what is written is read back, and twice the same bytes are written", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "language-id-"));
  t.after(() => rm(folder, { recursive: true }));
  const set = names({ aa: ["eins", "zwei", "drei"], bb: ["uno", "due", "tre", "a b"] });
  const [once, twice] = [join(folder, "1"), join(folder, "2")];
  const meta = await writeDataset(once, set);
  await writeDataset(twice, new Map([...set].reverse()));
  assert.deepEqual(await readMeta(once), meta);
  const sides = splitNames(set);
  for (const split of SPLITS) {
    assert.deepEqual(await readSplit(once, split), sides[split]);
    assert.equal(meta.counts[split], sides[split].length);
  }
  for (const file of ["meta.json", ...SPLITS.map((split) => `${split}.tsv`)])
    assert.deepEqual(await readFile(join(once, file)), await readFile(join(twice, file)));
});

test("this Node's own names: many languages, each string in one language and on one side", () => {
  const own = ownNames(collectNames());
  const sides = splitNames(own);
  assert.ok(own.size >= 50, `${own.size} languages`);
  for (const language of ["de", "en", "es", "ja", "zh"]) assert.ok(own.has(language), language);
  const all = SPLITS.flatMap((split) => sides[split].map((example) => example.name));
  assert.ok(all.length >= 30_000, `${all.length} strings`);
  assert.equal(new Set(all).size, all.length);
  for (const split of SPLITS)
    assert.equal(new Set(sides[split].map((example) => example.language)).size, own.size);
});
