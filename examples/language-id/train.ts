/**
 * The training program of a trial: one step is one epoch.
 *
 * Under Contrail the hyperparameters, the seed and the folder of the data set come from the experiment;
 * alone (`node train.ts`) it takes the defaults and builds the set in a temporary folder. It never opens
 * the test strings: a search that saw them would be choosing by them.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as contrail from "contrail";
import { buildDataset } from "./data.ts";
import { prepare } from "./model.ts";
import { DEFAULTS, EPOCHS, faultsOf, type Parameters } from "./parameters.ts";

const trial = await contrail.init<Parameters>({ params: DEFAULTS, steps: EPOCHS });
const faults = faultsOf(trial.params);
if (faults.length > 0) await trial.invalidHyperparameters(faults.join("; "));

const { model, data } = await withDataset((folder) =>
  prepare(folder, trial.params, { seed: trial.seed, splits: ["train", "validation"] }),
);
const save = (folder: string): Promise<void> => model.save(folder);
const restore = (folder: string): Promise<void> => model.restore(folder);

for await (const epoch of trial.steps({ restore })) {
  const trainLoss = model.trainEpoch(data.train);
  const { accuracy, loss } = model.score(data.validation);
  trial.report(epoch, { accuracy, loss, train_loss: trainLoss });
  await trial.checkpoint(epoch, save);
}

async function withDataset<T>(use: (folder: string) => Promise<T>): Promise<T> {
  if (typeof trial.data.names === "string") return use(trial.data.names);
  const folder = await mkdtemp(join(tmpdir(), "language-names-"));
  try {
    await buildDataset(folder);
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
