/** trainer.py in TypeScript, as a gauge alone: RATE ROUNDS NOTES STOP. */
import { closeSync, existsSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { init } from "../../src/sdk/index.ts";

const [rateText, roundsText, notes = "", stop = ""] = process.argv.slice(2);
const rate = Number(rateText);
const rounds = Number(roundsText);
const LOOK_EVERY_MS = 500;

function work(): number {
  let total = 0;
  // Small numbers: beyond 32 bits the same line takes ten times as long.
  for (let round = 0; round < rounds; round++) total = (total + (round % 1000) ** 2) % 1_000_003;
  return total;
}

const trial = await init();
const name = trial.id ?? "alone";
const steps = openSync(join(notes, `${name}.steps`), "w");
const startMs = performance.now();
let made = 0;
let lookedMs = startMs;
for await (const step of trial.steps()) {
  if (performance.now() - lookedMs > LOOK_EVERY_MS) {
    lookedMs = performance.now();
    if (existsSync(stop)) break;
  }
  await delay(Math.max(0, startMs + (made / rate) * 1000 - performance.now()));
  const beganMs = performance.now();
  const cpu = process.cpuUsage();
  work();
  const metrics: Record<string, number> = { loss: 1 / step };
  for (let index = 1; index < 10; index++) metrics[`metric_${index}`] = step / index;
  trial.report(step, metrics);
  const tookNs = Math.round((performance.now() - beganMs) * 1e6);
  const { user, system } = process.cpuUsage(cpu);
  made += 1;
  writeSync(steps, `${Date.now()} ${tookNs} ${(user + system) * 1000}\n`);
}
closeSync(steps);
writeFileSync(join(notes, `${name}.made`), JSON.stringify({ reports: made, lines: 0 }));
