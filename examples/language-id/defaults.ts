/**
 * What the default hyperparameters reach without a search, on the test strings: before any training, and
 * after as many epochs as the longest trial of the search.
 *
 *     node defaults.ts DATASET_DIR [--json]
 */
import { evaluate } from "./evaluation.ts";
import { prepare } from "./model.ts";
import { DEFAULTS, EPOCHS } from "./parameters.ts";

const folder = process.argv[2];
if (folder === undefined) {
  console.error("usage: node defaults.ts DATASET_DIR [--json]");
  process.exitCode = 2;
} else {
  const { model, data } = await prepare(folder, DEFAULTS, { seed: 0, splits: ["train"] });
  const before = await evaluate(model, folder);
  for (let epoch = 0; epoch < EPOCHS; epoch++) model.trainEpoch(data.train);
  const after = await evaluate(model, folder);
  console.log(
    process.argv.includes("--json")
      ? JSON.stringify({
          accuracy: after.accuracy,
          accuracy_untrained: before.accuracy,
          epochs: after.epochs,
          test_strings: after.test_strings,
        })
      : `defaults: ${before.accuracy.toFixed(4)} before training, ${after.accuracy.toFixed(4)} after ${after.epochs} epochs, on ${after.test_strings} test strings`,
  );
}
