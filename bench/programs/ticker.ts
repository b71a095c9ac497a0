/** A trial that reports ten times a second for as long as it is let. */
import { setTimeout as delay } from "node:timers/promises";
import { init } from "../../src/sdk/index.ts";

const trial = await init();
for await (const step of trial.steps()) {
  await delay(100);
  trial.report(step, { loss: 1 / step });
}
