/**
 * A training program whose every number follows from seed, rate and step: what comes out shows whether a step was
 * lost, repeated or begun from the wrong state. The digest chains all steps, so equal digests mean equal histories.
 */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import * as contrail from "contrail";

interface State {
  step: number;
  loss: number;
  digest: string;
}

interface Params {
  readonly rate: number;
  readonly delay_ms?: number;
  /** The first trials are the best ones, so that those who race them know who is promoted. */
  readonly by_number?: boolean;
  /** A checkpoint by the program's own will, every so many steps; 0 = none. */
  readonly save_every?: number;
}

const trial = await contrail.init<Params>({ params: { rate: 0.1 } });
const { rate, delay_ms: delayMs = 0, by_number: byNumber = false } = trial.params;
const saveEvery = trial.params.save_every ?? 0;
/** How often it says again what it has said before, of this step and of earlier ones. */
const echoes = Number(process.env.E2E_ECHOES ?? 0);
const said: [step: number, metrics: { loss: number; noise: number }][] = [];
const handicap = byNumber ? Number(trial.id?.split(".")[1]) ** 2 : 1;
const trace = process.env.E2E_TRACE;
/** A file: once it is there, a step takes no time. */
const hurry = process.env.E2E_HURRY ?? "";
/** One a run: a step past which it does not go before it is to stop, so that no order and no kill comes too late. */
const holds = (process.env.E2E_HOLD_AT ?? "").split(",").filter(Boolean).map(Number);
/** A file that lets them go on all the same. */
const holdUntil = process.env.E2E_HOLD_UNTIL ?? "";
const run = Number(process.env.CONTRAIL_ALLOCATION?.split(".")[2]);
const holdAt = holds[run - 1] ?? Number.POSITIVE_INFINITY;
let state: State = { step: 0, loss: 1, digest: String(trial.seed) };

const restore = (folder: string): void => {
  state = JSON.parse(readFileSync(join(folder, "state.json"), "utf8"));
};
const save = (folder: string): void =>
  writeFileSync(join(folder, "state.json"), JSON.stringify(state));

console.log(`begin ${trial.id} at ${state.step} pid ${process.pid}`);
for await (const step of trial.steps({ restore })) {
  if (delayMs > 0 && (hurry === "" || !existsSync(hurry))) await wait(delayMs);
  const noise =
    createHash("sha256").update(`${trial.seed} ${step}`).digest().readUInt16LE() / 65536;
  state = {
    step,
    loss: state.loss * (1 - rate / 2) + 0.01 * noise,
    digest: createHash("sha256").update(`${state.digest} ${step} ${rate}`).digest("hex"),
  };
  console.log(`step ${step}`);
  console.error(`note ${step}`);
  if (trace !== undefined)
    appendFileSync(join(trace, String(trial.id)), `${step} ${process.pid}\n`);
  const metrics = { loss: handicap * state.loss, noise };
  trial.report(step, metrics);
  said.push([step, metrics]);
  for (let i = 0; i < echoes; i++)
    trial.report(...(said[(step * 7 + i * 3) % said.length] as (typeof said)[number]));
  await trial.checkpoint(step, save, { always: saveEvery > 0 && step % saveEvery === 0 });
  while (step >= holdAt && !trial.shouldStop && !existsSync(holdUntil)) await wait(10);
}
