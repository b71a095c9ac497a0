/**
 * Ranks that add up numbers and say so, step by step, with a checkpoint after each. E2E_HOLD_AT names for
 * each run a step past which it does not go before it is to stop, so that whatever is to end it does not come too late.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as contrail from "contrail";

const trial = await contrail.init({ params: { delay_ms: 0 } });
const holds = (process.env.E2E_HOLD_AT ?? "").split(",").filter(Boolean).map(Number);
const run = Number(process.env.CONTRAIL_ALLOCATION?.split(".")[2]);
const holdAt = holds[run - 1] ?? Number.POSITIVE_INFINITY;
const ranks = await contrail.meet(trial);
let weight = 0;

const restore = (folder: string): void => {
  weight = Number(readFileSync(join(folder, "weight"), "utf8"));
};
const save = (folder: string): void => writeFileSync(join(folder, "weight"), String(weight));

for await (const step of trial.steps({ restore })) {
  await new Promise((resolve) => setTimeout(resolve, trial.params.delay_ms));
  console.log(`rank ${trial.rank} is at step ${step}`);
  const [sum = 0] = await ranks.total(step / (trial.rank + 1));
  weight += sum;
  trial.report(step, { loss: 1 / weight });
  await trial.checkpoint(step, save, { always: true });
  while (step >= holdAt && !trial.shouldStop)
    await new Promise((resolve) => setTimeout(resolve, 10));
}
