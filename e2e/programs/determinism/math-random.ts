/** Planted: Math.random. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { init } from "contrail";

const trial = await init();
let weight = 0;
const save = (folder: string): void => writeFileSync(join(folder, "weight"), String(weight));
for await (const step of trial.steps()) {
  weight += Math.random();
  trial.report(step, { weight });
  await trial.checkpoint(step, save);
}
