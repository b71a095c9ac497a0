/**
 * Names as ICU knows them: what each language calls the world's regions, languages, scripts and
 * currencies (Unicode CLDR data, which Node carries), and which of those names only one language uses.
 *
 * A name shared by two languages ("Portugal") has no right answer, so only names of one language stay.
 * Varieties are settled first: Najdi Arabic inherits nearly every name from Arabic, and while both are
 * present neither owns anything. A language whose names mostly belong to a bigger one is left out.
 *
 * Alternative refused: a fixed list of languages. It would say which languages matter to its author,
 * and go stale with the next ICU; a rule about the data does neither.
 */

/** The set's rules in one place; they are written into `meta.json`. */
export const RULES = {
  /** A language with this share of its names in a kept, bigger language counts as a variety of it. */
  varietyShare: 0.5,
  /** Fewer names than this in all and CLDR covers the language only in part: left out. */
  namesMin: 900,
  /** Fewer names of its own than this, likewise: too few to learn from and to measure with. */
  ownNamesMin: 300,
} as const;

/** Names by language, each list in code-unit order. */
export type NamesByLanguage = ReadonlyMap<string, readonly string[]>;

const ALPHABET = [..."abcdefghijklmnopqrstuvwxyz"];
const PAIRS = ALPHABET.flatMap((first) => ALPHABET.map((second) => first + second));
const TRIPLES = PAIRS.flatMap((pair) => ALPHABET.map((third) => pair + third));

/** Every name that this Node's ICU has, by canonical language code. Takes a few seconds. */
export function collectNames(): NamesByLanguage {
  const codes = existingCodes();
  return new Map(languagesOfIcu().map((language) => [language, namesIn(language, codes)]));
}

function namesIn(language: string, codes: readonly Codes[]): string[] {
  const found = new Set<string>();
  for (const { type, values } of codes) {
    const names = displayNames(language, type);
    for (const code of values) {
      const name = normalise(names.of(code) ?? "");
      if (/\p{L}/u.test(name)) found.add(name);
    }
  }
  return [...found].sort(byCodeUnit);
}

/**
 * NFC, lower case, single spaces. Lower-casing knows nothing of the language on purpose: the Turkish
 * rules for Turkish names alone would write the answer into the question.
 */
export function normalise(name: string): string {
  return name.normalize("NFC").toLowerCase().normalize("NFC").replace(/\s+/gu, " ").trim();
}

/** The languages worth telling apart, each with the names that no other kept language uses. */
export function ownNames(
  all: NamesByLanguage,
  rules: { readonly [name in keyof typeof RULES]: number } = RULES,
): NamesByLanguage {
  const covered = [...all].filter(([, names]) => names.length >= rules.namesMin);
  const kept = withoutVarieties(new Map(covered), rules.varietyShare);
  for (;;) {
    const own = namesOfOneLanguage(kept);
    // Leaving out one language gives its names back to the others, so the smallest goes first and
    // the rest are counted again.
    const smallest = [...own].sort(
      (a, b) => a[1].length - b[1].length || byCodeUnit(a[0], b[0]),
    )[0];
    if (smallest === undefined || smallest[1].length >= rules.ownNamesMin) return own;
    kept.delete(smallest[0]);
  }
}

function withoutVarieties(all: NamesByLanguage, share: number): Map<string, readonly string[]> {
  // Biggest first; among equals the shorter, then the earlier code (`ar` before `ars`, `nb` before `no`).
  const order = [...all].sort(
    (a, b) => b[1].length - a[1].length || a[0].length - b[0].length || byCodeUnit(a[0], b[0]),
  );
  const kept = new Map<string, ReadonlySet<string>>();
  for (const [language, names] of order) {
    const isVariety = [...kept.values()].some(
      (other) => names.filter((name) => other.has(name)).length > share * names.length,
    );
    if (!isVariety) kept.set(language, new Set(names));
  }
  const languages = [...kept.keys()].sort(byCodeUnit);
  return new Map(languages.map((language) => [language, all.get(language)!]));
}

function namesOfOneLanguage(all: NamesByLanguage): NamesByLanguage {
  const users = new Map<string, number>();
  for (const names of all.values())
    for (const name of names) users.set(name, (users.get(name) ?? 0) + 1);
  return new Map(
    [...all].map(([language, names]) => [language, names.filter((name) => users.get(name) === 1)]),
  );
}

interface Codes {
  readonly type: Intl.DisplayNamesType;
  readonly values: readonly string[];
}

/** Codes that have an English name; asking each language for only these is what keeps this quick. */
function existingCodes(): Codes[] {
  const areas = Array.from({ length: 1000 }, (_, code) => String(code).padStart(3, "0"));
  const named = (type: Intl.DisplayNamesType, codes: readonly string[]): Codes => {
    const english = displayNames("en", type);
    return { type, values: codes.filter((code) => english.of(code) !== undefined) };
  };
  const countries = PAIRS.map((code) => code.toUpperCase());
  const four = TRIPLES.flatMap((code) => ALPHABET.map((letter) => code + letter));
  return [
    named("language", [...PAIRS, ...TRIPLES]),
    named("region", [...countries, ...areas]),
    named("script", four),
    named("currency", Intl.supportedValuesOf("currency")),
  ];
}

/** Languages with data of their own, by canonical code: `deu` and `ger` are `de` and left out. */
function languagesOfIcu(): string[] {
  return [...PAIRS, ...TRIPLES]
    .filter((code) => Intl.DisplayNames.supportedLocalesOf([code]).length > 0)
    .filter((code) => Intl.getCanonicalLocales(code)[0] === code)
    .sort(byCodeUnit);
}

function displayNames(language: string, type: Intl.DisplayNamesType): Intl.DisplayNames {
  return new Intl.DisplayNames([language], { type, fallback: "none" });
}

/** Code-unit order: the same everywhere, unlike any order that asks a locale. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
