/**
 * Accuracy of the rank-order n-gram profile (`profile.ts`) on the test strings.
 *
 *     node baseline.ts DATASET_DIR [--json]
 */
import { type Example, readSplit } from "./data.ts";
import { NGRAM_MAX, nearest, PROFILE_LENGTH, type Profile, profileOf } from "./profile.ts";

/** Learns a profile per language from `train` and returns its share of right answers on `test`. */
export function baselineAccuracy(train: readonly Example[], test: readonly Example[]): number {
  const languages = new Map<string, Profile>();
  for (const [language, examples] of Map.groupBy(train, (example) => example.language))
    languages.set(language, profileOf(examples.map((example) => example.name)));
  const right = test.filter(({ language, name }) => nearest(name, languages) === language);
  return right.length / test.length;
}

if (import.meta.main) {
  const folder = process.argv[2];
  if (folder === undefined) {
    console.error("usage: node baseline.ts DATASET_DIR [--json]");
    process.exitCode = 2;
  } else {
    const test = await readSplit(folder, "test");
    const accuracy = baselineAccuracy(await readSplit(folder, "train"), test);
    console.log(
      process.argv.includes("--json")
        ? JSON.stringify({ accuracy, test_strings: test.length, profile_length: PROFILE_LENGTH })
        : `rank-order profiles (1 to ${NGRAM_MAX}-grams, ${PROFILE_LENGTH} ranks): ${accuracy.toFixed(4)} on ${test.length} test strings`,
    );
  }
}
