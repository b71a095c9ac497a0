/**
 * The baseline: W. B. Cavnar and J. M. Trenkle, "N-Gram-Based Text Categorization" (1994).
 *
 * A language is the list of its most frequent character n-grams, most frequent first; so is a text. Their
 * distance is the sum over the text's n-grams of how far out of place each stands in the language's
 * list, and the nearest language is the answer. No weights, nothing to tune but the list's length:
 * what a search has to beat to have been worth its while.
 *
 * As in the paper: n from 1 to 5, tokens of letters and apostrophes, one blank before and enough after
 * that every n-gram which touches the token counts, the first 300 ranks, and for an n-gram that the
 * language does not have, the greatest possible distance. The paper does not say how equal counts are
 * ordered; here it is code-unit order, so that the outcome is a function of the data.
 */
import { byCodeUnit } from "./names.ts";

export const PROFILE_LENGTH = 300;
export const NGRAM_MAX = 5;

/** Rank (0 = most frequent) by n-gram. */
export type Profile = ReadonlyMap<string, number>;

/** The `length` most frequent n-grams of the texts, ranked. */
export function profileOf(texts: Iterable<string>, length = PROFILE_LENGTH): Profile {
  const counts = new Map<string, number>();
  for (const text of texts)
    for (const ngram of ngramsOf(text)) counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  const ranked = [...counts].sort((a, b) => b[1] - a[1] || byCodeUnit(a[0], b[0]));
  return new Map(ranked.slice(0, length).map(([ngram], rank) => [ngram, rank]));
}

/** Sum over the text's n-grams of the places between its rank there and here. 0 = the same list. */
export function outOfPlace(text: Profile, language: Profile, length = PROFILE_LENGTH): number {
  let distance = 0;
  for (const [ngram, rank] of text) {
    const there = language.get(ngram);
    distance += there === undefined ? length : Math.abs(there - rank);
  }
  return distance;
}

/** The nearest language; of several equally near, the first. */
export function nearest(text: string, languages: ReadonlyMap<string, Profile>): string | undefined {
  const profile = profileOf([text]);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const [language, candidate] of languages) {
    const distance = outOfPlace(profile, candidate);
    if (distance < bestDistance) {
      best = language;
      bestDistance = distance;
    }
  }
  return best;
}

/** The n-grams of every token, padded: "TEXT" gives _T, TE, EX, XT, T_; _TE … T__; and so on. */
export function* ngramsOf(text: string): Generator<string> {
  for (const token of text.split(/[^\p{L}\p{M}']+/u)) {
    if (token === "") continue;
    const letters = [...token];
    for (let n = 1; n <= NGRAM_MAX; n++) {
      const padded = n === 1 ? letters : ["_", ...letters, ..."_".repeat(n - 1)];
      for (let from = 0; from + n <= padded.length; from++)
        yield padded.slice(from, from + n).join("");
    }
  }
}
