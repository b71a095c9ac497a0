/**
 * F1: the server is killed with SIGKILL before and after every commit, fsync, rename and answer of a scripted search.
 * Every point by itself, each from the beginning: a later crash could mend what an earlier one broke.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { everything } from "../../src/server/test-cluster.ts";
import type { Database } from "../../src/store/schema.ts";
import { scratchDatabase } from "../../src/store/test-scratch-database.ts";
import { comparable, firstDifference, type Left } from "./compare.ts";
import { CrashingServer } from "./crashing-server.ts";
import { killedInEarnest } from "./killed-in-earnest.ts";
import {
  all,
  eachOf,
  everyNth,
  type Faults,
  type Finding,
  newFolder,
  none,
  type Row,
  within,
} from "./row.ts";
import { NoAnswer, ScriptedSearch } from "./scripted-search.ts";

const CONFIG = `
name: scripted
entrypoint: train
hyperparameters:
  rate: {type: log, base: 10, minval: -4, maxval: -1}
searcher: {name: asha, metric: loss, max_length: {epochs: 4}, max_trials: 20, divisor: 4, num_rungs: 2, max_concurrent_trials: 2}
reproducibility: {experiment_seed: 11}
`;

interface Played {
  /** Of the search alone, without times. */
  readonly left: Left;
  readonly broken: readonly string[];
  /** Milliseconds of each start after the crash. */
  readonly restartsMs: readonly number[];
  readonly crashed: boolean;
  readonly points: readonly string[];
}

export const serverKilled: Row = {
  name: "F1",
  fault: "kill -9 of the server at every durable step",
  async run(faults) {
    const clean = await play(faults, {});
    const again = await play(faults, {});
    const count = clean.points.length;
    faults.say(`${count} points: each is a search of its own`);
    const points = everyNth(
      Array.from({ length: count }, (_, i) => i + 1),
      faults.quick ? 83 : 1,
    );
    const different: string[] = [];
    const broken: string[] = [];
    const restartsMs: number[] = [];
    let crashed = 0;
    await eachOf(faults, "points", points, async (at) => {
      const played = await play(faults, { at });
      const where = `point ${at} (${clean.points[at - 1]})`;
      const difference = firstDifference(clean.left, played.left);
      broken.push(...played.broken.map((what) => `${where}: ${what}`));
      if (difference !== undefined) different.push(`${where}: ${difference}`);
      if (played.broken.length > 0 || difference !== undefined)
        faults.say(`${where}: ${played.broken[0] ?? difference}`);
      if (played.crashed) crashed += 1;
      restartsMs.push(...played.restartsMs);
    });
    return [
      ...sameTwice(clean, again),
      all(`points at which it died, of ${count} there are`, crashed, points.length),
      none("acknowledged writes lost, or trials live twice", broken, ` in ${points.length} runs`),
      none("searches that went on differently, row by row", different, ` of ${points.length}`),
      within("ready again", restartsMs, 5),
      ...(await killedInEarnest(faults)),
    ];
  },
};

/** Without this, being equal to the clean run would prove nothing. */
function sameTwice(clean: Played, again: Played): Finding[] {
  const difference = firstDifference(clean.left, again.left);
  const trials = clean.left.trials?.length ?? 0;
  const broken = [...clean.broken, ...again.broken];
  return [
    ...(difference === undefined ? [] : [none("differences of two clean runs", [difference])]),
    ...(broken.length === 0 ? [] : [none("broken promises of clean runs", broken)]),
    ...(trials === 20 ? [] : [all("trials of the clean run", trials, 20)]),
  ];
}

async function play(faults: Faults, { at }: { readonly at?: number }): Promise<Played> {
  const dataDir = await newFolder();
  await using database = await scratchDatabase<Database>(await faults.database());
  const list = join(dataDir, "points");
  const server = new CrashingServer({ dataDir, databaseUrl: database.url, slots: 2 });
  const search = new ScriptedSearch(CONFIG);
  let crashed = false;
  try {
    if (await server.start(at === undefined ? { list } : { at })) await search.meet(server.ready);
    else {
      crashed = true;
      await restart();
    }
    for (;;) {
      try {
        if (!(await search.advance())) break;
      } catch (error) {
        if (!(error instanceof NoAnswer) || crashed) throw error;
        crashed = true;
        await restart();
      }
    }
    const points = at === undefined ? (await readFile(list, "utf8")).trim().split("\n") : [];
    const restartsMs = server.startsMs.slice(at === undefined ? 0 : -1);
    // A transaction that was not committed has used up the number of a user.
    const left = comparable(await everything(database.pool), ["owner_id"]);
    return { left, broken: search.broken, restartsMs: crashed ? restartsMs : [], crashed, points };
  } finally {
    await server.gone();
    await rm(dataDir, { recursive: true, force: true });
  }

  async function restart(): Promise<void> {
    await server.gone();
    await server.start();
    await search.meet(server.ready);
  }
}
