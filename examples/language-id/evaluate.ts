/**
 * Accuracy of a checkpoint on the test strings, which no trial has seen.
 *
 *     node evaluate.ts CHECKPOINT_DIR DATASET_DIR [--json]
 */
import { evaluate } from "./evaluation.ts";
import { loadModel } from "./model.ts";

const [checkpoint, dataset] = process.argv.slice(2).filter((word) => !word.startsWith("--"));
if (checkpoint === undefined || dataset === undefined) {
  console.error("usage: node evaluate.ts CHECKPOINT_DIR DATASET_DIR [--json]");
  process.exitCode = 2;
} else {
  const result = await evaluate(await loadModel(checkpoint), dataset);
  if (process.argv.includes("--json")) console.log(JSON.stringify(result));
  else {
    console.log(
      `${result.accuracy.toFixed(4)} on ${result.test_strings} test strings after ${result.epochs} epochs`,
    );
    for (const { language, accuracy, strings, mistaken_for } of result.worst)
      console.log(
        `  ${language}  ${accuracy.toFixed(2)} of ${strings}, mostly taken for ${mistaken_for}`,
      );
  }
}
