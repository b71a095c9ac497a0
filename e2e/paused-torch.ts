/** The PyTorch program that the tests pause. */
import assert from "node:assert/strict";
import { single, withPauses } from "./paused.ts";
import type { Stand } from "./support.ts";
import { pythonWithTorch } from "./torch-python.ts";

export const python = pythonWithTorch();
const STEPS = 50;

export async function pauseTorch(
  it: Stand,
  { slots = 1, ...hyperparameters }: { slots?: number; [name: string]: unknown },
): Promise<void> {
  const folder = await it.codeFolder({}, ["torch_bits.py"]);
  const config = {
    name: "bits",
    entrypoint: [python ?? "", "torch_bits.py"],
    hyperparameters: { batches: 3, delay_ms: 60, lr: 0.01, ...hyperparameters },
    searcher: single(STEPS),
    resources: { slots_per_trial: slots },
    reproducibility: { experiment_seed: 12 },
  };
  const some = slots > 1 || hyperparameters.workers !== 0;
  const trial = await withPauses(it, { config, folder, steps: STEPS, some });
  // The loss fell, so something was trained.
  const losses = (await it.series(trial.id)).map(([, value]) => Number(value));
  assert.ok(losses.at(-1)! < losses[0]!, `${losses}`);
}
