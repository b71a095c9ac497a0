/** Two trials that train while the server's disk is in trouble, and what has become of them afterwards. */
import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { realClock } from "../../src/base/real-clock.ts";
import { Client } from "../../src/sdk/client.ts";
import { curveSearch, type Stand } from "../support.ts";

export interface AtWork {
  readonly id: number;
  readonly trials: readonly string[];
  readonly steps: number;
}

/** The training that is left is done in a moment once this file is there. */
const hurry = (it: Stand): string => join(it.folder, "hurry");

/** For so long that they train still when the trouble is over, however late. @param troubleS seconds @param more of the configuration */
export async function twoAtWork(
  it: Stand,
  troubleS: number,
  more: Record<string, unknown> = {},
): Promise<AtWork> {
  const steps = troubleS * 20 + 1_200;
  await rm(hurry(it), { force: true });
  const code = await it.codeFolder({}, ["curve.ts"]);
  const searcher = { name: "random", max_length: { epochs: steps }, max_trials: 2 };
  const environment = { E2E_TRACE: it.trace, E2E_HURRY: hurry(it) };
  const config = curveSearch(searcher, { delayMs: 50, environment, ...more });
  const { id } = await it.submit(config, code);
  const trials = [`${id}.1`, `${id}.2`];
  for (const trial of trials) await it.trialWhen(trial, "trains", ({ step }) => step > 5);
  return { id, trials, steps };
}

/** Steps that the programs themselves have noted. */
export async function trained(it: Stand, { trials }: AtWork): Promise<number> {
  const traces = await Promise.all(trials.map((trial) => it.traced(trial)));
  return traces.reduce((sum, steps) => sum + steps.length, 0);
}

/** Whether the server knows of all that they have trained but the last moments. */
export async function isCaughtUp(it: Stand, work: AtWork): Promise<boolean> {
  const target = await trained(it, work);
  const seen = (await it.trials(work.id)).reduce((sum, { step }) => sum + step, 0);
  return seen >= target - work.trials.length * 2;
}

/** Waits for their end. @returns reports that are missing, and trials that were begun again */
export async function lostOf(it: Stand, { id, trials, steps }: AtWork): Promise<string[]> {
  await writeFile(hurry(it), "");
  const experiment = await it.ended(id, 240_000);
  const lost = experiment.state === "completed" ? [] : [experiment.reason];
  for (const trial of trials) {
    const found = (await it.series(trial)).length;
    if (found !== steps) lost.push(`${trial} has ${found} of ${steps} steps`);
    const { allocations } = await it.client.trial(trial);
    if (allocations.length !== 1) lost.push(`${trial} was begun ${allocations.length} times`);
  }
  return lost;
}

/** Asks once. */
export const impatient = (it: Stand): Client =>
  new Client({
    ...{ url: it.server.url, token: it.token, clock: realClock, newKey: randomUUID },
    attemptsMax: 1,
  });
