/** Examples as tests run them: copies whose configuration is made small. */
import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, type Stand } from "./support.ts";

/** A copy of an example whose configuration is changed by these replacements. @param as the folder's name */
export async function copyOf(
  it: Stand,
  name: string,
  changes: readonly [RegExp, string][],
  as = name,
): Promise<string> {
  const folder = join(it.folder, as);
  await cp(join(ROOT, "examples", name), folder, { recursive: true });
  let text = await readFile(join(folder, "config.yaml"), "utf8");
  for (const [what, by] of changes) {
    assert.match(text, what);
    text = text.replace(what, by);
  }
  await writeFile(join(folder, "config.yaml"), text);
  return folder;
}

/** `examples/digits-pytorch` starts `python3`, and PyTorch lies elsewhere here. */
export const withPython = (python: string): [RegExp, string] => [
  /entrypoint: python3 train\.py/,
  `entrypoint: [${JSON.stringify(python)}, train.py]`,
];

/**
 * `examples/digits-pytorch` as one trial, so that only the number of its processes differs from copy to copy: without dropout,
 * which every process draws for itself, and with batches that 4 processes cannot share evenly.
 */
export const digitsOnce = (
  it: Stand,
  { python, slots, epochs }: { python: string; slots: number; epochs: number },
): Promise<string> =>
  copyOf(
    it,
    "digits-pytorch",
    [
      withPython(python),
      [/hyperparameters:[\s\S]*\nresources:/, onceFor(epochs)],
      [/slots_per_trial: 1/, `slots_per_trial: ${slots}`],
    ],
    `digits-${slots}`,
  );

/** Of the losses of two such copies to one another: rounding is another for each way to cut a batch, and grows from step to step. */
export const DIGITS_TOLERANCE = 1e-3;

const onceFor = (epochs: number): string => `hyperparameters:
  optimizer: sgd
  learning_rate: 0.05
  momentum: 0.9
  batch_size: 50
  weight_decay: 0.0001
  network: { channels: 8, hidden: 32, dropout: 0 }
searcher: { name: single, metric: accuracy, smaller_is_better: false, max_length: { epochs: ${epochs} } }
resources:`;
