/**
 * A training program that takes as long as it likes: what it measures follows from seed, rate and step, how long each
 * step lasts from chance alone. Two searches over it with one seed see the same numbers in another order.
 */
import { createHash, randomInt } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import * as contrail from "contrail";

const trial = await contrail.init<{ rate: number; fails_above: number }>({
  params: { rate: 0.1, fails_above: 1 },
});
const { rate, fails_above: failsAbove } = trial.params;
let state = { step: 0, loss: 1 };

const restore = (folder: string): void => {
  state = JSON.parse(readFileSync(join(folder, "state.json"), "utf8"));
};
const save = (folder: string): void =>
  writeFileSync(join(folder, "state.json"), JSON.stringify(state));

for await (const step of trial.steps({ restore })) {
  await wait(randomInt(5, 150));
  if (step === 2 && rate > failsAbove) process.exit(3);
  const noise =
    createHash("sha256").update(`${trial.seed} ${step}`).digest().readUInt16LE() / 65536;
  state = { step, loss: state.loss * (1 - rate / 2) + 0.05 * noise };
  trial.report(step, { loss: state.loss });
  await trial.checkpoint(step, save);
}
