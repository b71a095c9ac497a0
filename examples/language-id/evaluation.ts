/** A model's answers on the test strings, by language. */
import { type Example, readSplit } from "./data.ts";
import type { Model } from "./model.ts";

export interface LanguageResult {
  readonly language: string;
  readonly strings: number;
  readonly accuracy: number;
  /** The language most often named instead; absent where all is right. */
  readonly mistaken_for?: string;
}

export interface Evaluation {
  /** Share of right answers over all test strings, 0 … 1. */
  readonly accuracy: number;
  /** Mean cross-entropy in nats. */
  readonly loss: number;
  readonly test_strings: number;
  readonly epochs: number;
  /** The languages with the lowest accuracy, lowest first. */
  readonly worst: readonly LanguageResult[];
}

export async function evaluate(model: Model, folder: string, worst = 5): Promise<Evaluation> {
  const examples = await readSplit(folder, "test");
  const data = model.label(examples);
  const { accuracy, loss } = model.score(data);
  const answers = examples.map((_, i) => {
    const best = model.network.classify(data.features, i);
    return model.languages[best]!;
  });
  return {
    accuracy,
    loss,
    test_strings: examples.length,
    epochs: model.epochs,
    worst: byLanguage(examples, answers).slice(0, worst),
  };
}

/** Lowest accuracy first; among equals, in the order of the examples. */
export function byLanguage(
  examples: readonly Example[],
  answers: readonly string[],
): LanguageResult[] {
  const places = Map.groupBy(examples.keys(), (i) => examples[i]!.language);
  const results = [...places].map(([language, indexes]): LanguageResult => {
    const wrong = indexes.map((i) => answers[i]!).filter((answer) => answer !== language);
    const accuracy = 1 - wrong.length / indexes.length;
    const result = { language, strings: indexes.length, accuracy };
    const mistakenFor = mostFrequent(wrong);
    return mistakenFor === undefined ? result : { ...result, mistaken_for: mistakenFor };
  });
  return results.sort((a, b) => a.accuracy - b.accuracy);
}

function mostFrequent(words: readonly string[]): string | undefined {
  const groups = [...Map.groupBy(words, (word) => word).values()];
  return groups.sort((a, b) => b.length - a.length)[0]?.[0];
}
