/**
 * The sample of F1 with everything real: the server that `contrail up` starts with its own PostgreSQL, the real runner,
 * training processes. It dies at points spread over a search, is started again, and the search has to come to the
 * same as one that nobody disturbed.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { renamedTo, story } from "../story.ts";
import { curveSearch, isAlive, type Stand, stand, until } from "../support.ts";
import { firstDifference } from "./compare.ts";
import { watchForTwins } from "./four-trials.ts";
import { type Faults, type Finding, none, within } from "./row.ts";

const PRELOAD = new URL("preload/crash-points.ts", import.meta.url);
/** What the server does by the clock is more on a busy machine, so that a run can end before a point that another had. */
const EARLIER = 0.75;
const TRIES = 5;

/** One trial at a time, so that what is known when is the same in every run. */
const SEARCHER = {
  ...{ name: "asha", max_length: { epochs: 4 }, divisor: 2, num_rungs: 2 },
  max_concurrent_trials: 1,
};

export async function killedInEarnest(faults: Faults): Promise<Finding[]> {
  await using it = await stand({
    slots: 1,
    env: () => ({ NODE_OPTIONS: `--import=${PRELOAD.href}` }),
  });
  const code = await it.codeFolder({}, ["curve.ts"]);
  const config = curveSearch({ ...SEARCHER, max_trials: faults.quick ? 4 : 20 }, { delayMs: 10 });
  const list = join(it.folder, "points");
  await restart(it, { FAULTS_POINTS: list });
  const before = await pointsIn(list);
  const clean = await it.submit(config, code);
  await it.ended(clean.id, 300_000);
  const wanted = JSON.stringify(await story(it, clean.id));
  const count = (await pointsIn(list)) - before;
  const sample = faults.quick ? 1 : 12;
  const different: string[] = [];
  const restartsMs: number[] = [];
  let beyond = 0;
  const stopWatching = watchForTwins(it);
  for (let i = 1; i <= sample; i++) {
    faults.say(`with real processes: ${i} of ${sample}`);
    const died = await dies(i);
    if (died === undefined) continue;
    const { id, at } = died;
    const beganMs = performance.now();
    await start(it, {});
    restartsMs.push(performance.now() - beganMs);
    const experiment = await it.ended(id, 300_000);
    const told = JSON.stringify(renamedTo(clean.id, id, await story(it, id)));
    const difference = firstDifference({ story: [wanted] }, { story: [told] });
    if (difference !== undefined) different.push(`point ${at}: ${difference}`);
    if (experiment.state !== "completed") different.push(`point ${at}: ${experiment.reason}`);
  }
  return [
    {
      what: `of ${count} points with real processes`,
      figure: `${restartsMs.length} of ${sample}${beyond === 0 ? "" : `; ${beyond} runs ended before their point and were tried again at an earlier one`}`,
      passes: "all",
      ok: restartsMs.length === sample,
    },
    none("searches with real processes that went on differently", different, ` of ${sample}`),
    none("two processes for a trial", stopWatching()),
    within("ready again, with its own PostgreSQL", restartsMs, 5),
  ];

  /** Runs the search on a server that dies at the i-th point of the sample. @returns undefined where it ended before, every time */
  async function dies(i: number): Promise<{ id: number; at: number } | undefined> {
    let offset = (count * i) / (sample + 1);
    for (let tries = 0; tries < TRIES; tries++, offset *= EARLIER) {
      const at = before + Math.max(1, Math.round(offset));
      await restart(it, { FAULTS_CRASH_AT: String(at) });
      const { pid } = it.server;
      const { id } = await it.submit(config, code);
      const over = async () =>
        !isAlive(pid) || (await it.client.experiment(id).catch(() => undefined))?.ended_at != null;
      await until(`the server dies at point ${at}`, over, { limitMs: 300_000 });
      if (!isAlive(pid)) return { id, at };
      beyond += 1;
    }
    return undefined;
  }
}

const pointsIn = async (list: string): Promise<number> =>
  (await readFile(list, "utf8").catch(() => "")).split("\n").length - 1;

async function restart(it: Stand, env: NodeJS.ProcessEnv): Promise<void> {
  await it.killServer();
  await rm(env.FAULTS_POINTS ?? "", { force: true });
  await start(it, env);
}

/** With this in the server's environment, and not in that of the next one. */
async function start(it: Stand, env: NodeJS.ProcessEnv): Promise<void> {
  for (const name of ["FAULTS_CRASH_AT", "FAULTS_POINTS"]) delete it.env[name];
  Object.assign(it.env, env);
  await it.start();
}
