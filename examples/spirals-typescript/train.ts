/**
 * Data-parallel training without a framework: every process learns from its part of each batch, and the gradients are
 * added up. Alone: `CONTRAIL_STEPS=40 node train.ts`. Under the platform `slots_per_trial` says with how many processes.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as contrail from "contrail";
import { Adam, Network, spirals } from "./network.ts";

const PARAMS = { hidden: 48, learning_rate: 0.02, batch: 250, points: 4000 };

const trial = await contrail.init({ params: PARAMS });
const { hidden, learning_rate: rate, batch: batchSize, points } = trial.params;
// The data is the same in every trial; the network is drawn from the trial's seed, and so is the order.
const [train, validation] = [points, 1000].map((n, i) => spirals(n, contrail.generator(2026, i)));
const network = new Network(hidden, contrail.generator(trial.seed, "network"));
const adam = new Adam(network.weights.length);
const order = new contrail.Order({ items: points, batch: batchSize, seed: trial.seed });
const ranks = await contrail.meet(trial);

for await (const epoch of trial.steps({ restore })) {
  let loss = 0;
  for (const batch of order.rest()) {
    const gradient = new Float64Array(network.weights.length);
    loss += network.learn(train!, ranks.share(batch), gradient);
    await ranks.sum(gradient);
    adam.move(network.weights, gradient, rate, batch.length);
  }
  const [whole = 0] = await ranks.total(loss);
  trial.report(epoch, { loss: whole / points, accuracy: network.accuracy(validation!) });
  await trial.checkpoint(epoch, save);
}

async function save(folder: string): Promise<void> {
  const parts = { weights: network.weights, first: adam.first, second: adam.second };
  for (const [name, values] of Object.entries(parts))
    await writeFile(join(folder, `${name}.f64`), new Uint8Array(values.buffer));
  await contrail.saveStates(folder, { order });
}

async function restore(folder: string): Promise<void> {
  const parts = { weights: network.weights, first: adam.first, second: adam.second };
  for (const [name, values] of Object.entries(parts))
    new Uint8Array(values.buffer).set(await readFile(join(folder, `${name}.f64`)));
  await contrail.restoreStates(folder, { order });
  adam.steps = order.epoch * order.batches + order.position;
}
