/**
 * The data set: strings that belong to one language, split into train, validation and test.
 *
 *     node data.ts FOLDER
 *
 * writes `train.tsv`, `validation.tsv`, `test.tsv` (language, tab, name; one per line) and `meta.json`.
 * The same Node writes the same bytes, so the set can be registered by its content.
 *
 * A string's side is a hash of the string and nothing else: no seed, no order. A later ICU that adds
 * names moves none of the old ones, so no test string ever becomes a training string.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { byCodeUnit, collectNames, type NamesByLanguage, ownNames, RULES } from "./names.ts";
import { hashText } from "./random.ts";

export const SPLITS = ["train", "validation", "test"] as const;
export type Split = (typeof SPLITS)[number];

/** One labelled string. */
export interface Example {
  readonly language: string;
  readonly name: string;
}

/** Percent of the strings, by split. */
const SHARES: { readonly [split in Split]: number } = { train: 70, validation: 15, test: 15 };
const SPLIT_KEY = 0x6c616e67;

/** What `meta.json` says. `languages` is in code-unit order: the place is the class of the network. */
export interface Meta {
  readonly version: 1;
  readonly languages: readonly string[];
  readonly counts: { readonly [split in Split]: number };
  readonly counts_by_language: { readonly [language: string]: readonly number[] };
  readonly icu: string;
  readonly cldr: string;
  readonly unicode: string;
  readonly rules: string;
}

/** The side on which a string lies, today and always. */
export function splitOf(name: string): Split {
  const percent = hashText(name, SPLIT_KEY) % 100;
  if (percent < SHARES.train) return "train";
  return percent < SHARES.train + SHARES.validation ? "validation" : "test";
}

/** Every name on its side, ordered by language and then by code unit. */
export function splitNames(names: NamesByLanguage): { readonly [split in Split]: Example[] } {
  const sides: { [split in Split]: Example[] } = { train: [], validation: [], test: [] };
  for (const language of [...names.keys()].sort(byCodeUnit))
    for (const name of names.get(language)!) sides[splitOf(name)].push({ language, name });
  return sides;
}

/** Builds the set in `folder` (made when missing) and returns what it wrote into `meta.json`. */
export async function writeDataset(folder: string, names: NamesByLanguage): Promise<Meta> {
  const sides = splitNames(names);
  const languages = [...names.keys()].sort(byCodeUnit);
  const count = (split: Split, language: string): number =>
    sides[split].filter((example) => example.language === language).length;
  const meta: Meta = {
    version: 1,
    languages,
    counts: {
      train: sides.train.length,
      validation: sides.validation.length,
      test: sides.test.length,
    },
    counts_by_language: Object.fromEntries(
      languages.map((language) => [language, SPLITS.map((split) => count(split, language))]),
    ),
    icu: process.versions.icu ?? "unknown",
    cldr: process.versions.cldr ?? "unknown",
    unicode: process.versions.unicode ?? "unknown",
    rules:
      "Intl.DisplayNames (language, region, script, currency) of every language in ICU, for codes with an " +
      "English name; NFC, lower case, at least one letter; languages with " +
      `${RULES.namesMin} names or more, less varieties (more than ${RULES.varietyShare * 100} % of the names in a bigger ` +
      `language), with ${RULES.ownNamesMin} names or more of their own; names of one language only; ` +
      `split by a hash of the string ${SHARES.train}/${SHARES.validation}/${SHARES.test}.`,
  };
  await mkdir(folder, { recursive: true });
  for (const split of SPLITS) {
    const lines = sides[split].map(({ language, name }) => `${language}\t${name}\n`);
    await writeFile(join(folder, `${split}.tsv`), lines.join(""));
  }
  await writeFile(join(folder, "meta.json"), `${JSON.stringify(meta, null, 1)}\n`);
  return meta;
}

export async function readMeta(folder: string): Promise<Meta> {
  const meta: Meta = JSON.parse(await readFile(join(folder, "meta.json"), "utf8"));
  if (meta.version !== 1)
    throw new Error(
      `${join(folder, "meta.json")}: version ${meta.version}, this code reads 1. Build the set again: node data.ts ${folder}`,
    );
  return meta;
}

export async function readSplit(folder: string, split: Split): Promise<Example[]> {
  const text = await readFile(join(folder, `${split}.tsv`), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const tab = line.indexOf("\t");
      return { language: line.slice(0, tab), name: line.slice(tab + 1) };
    });
}

/** Collects and writes the real set. */
export async function buildDataset(folder: string): Promise<Meta> {
  return writeDataset(folder, ownNames(collectNames()));
}

if (import.meta.main) {
  const folder = process.argv[2];
  if (folder === undefined) {
    console.error("usage: node data.ts FOLDER");
    process.exitCode = 2;
  } else {
    const meta = await buildDataset(folder);
    const { train, validation, test } = meta.counts;
    console.log(
      `${folder}: ${meta.languages.length} languages; ${train} train, ${validation} validation, ${test} test strings (ICU ${meta.icu}, CLDR ${meta.cldr})`,
    );
  }
}
