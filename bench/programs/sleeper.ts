/** A trial that trains each step for one second by sleeping, and says how well it went. */
import { setTimeout as delay } from "node:timers/promises";
import { init } from "../../src/sdk/index.ts";

const trial = await init();
for await (const step of trial.steps()) {
  await delay(1000);
  trial.report(step, { loss: 0.5 });
}
