/**
 * F1: the server is killed with SIGKILL before and after every commit, fsync, rename, removal and answer of the life of a
 * search: submission, training, checkpoints, deletion of an experiment, a whole run of retention.
 * Every moment by itself, each from the beginning: a later crash could mend what an earlier one broke.
 *
 * A point is before or after a step. A point before one that follows directly on a point after another is the same moment:
 * nothing was begun and nothing was seen to end in between, so that the disk holds the same and everybody has heard the
 * same. Such a pair is tried once, as the point after; `--long` tries both.
 */
import { readdirSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
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
import { ScriptedSearch } from "./scripted-search.ts";
import { NoAnswer } from "./scripted-wire.ts";

const CONFIG = `
name: scripted
entrypoint: train
hyperparameters:
  rate: {type: log, base: 10, minval: -4, maxval: -1}
searcher: {name: asha, metric: loss, max_length: {epochs: 4}, max_trials: 20, divisor: 4, num_rungs: 2, max_concurrent_trials: 2}
reproducibility: {experiment_seed: 11}
`;
const SMALL = `
name: deleted
entrypoint: train
hyperparameters:
  rate: {type: log, base: 10, minval: -4, maxval: -1}
searcher: {name: random, metric: loss, max_length: {epochs: 3}, max_trials: 1}
reproducibility: {experiment_seed: 12}
`;
/** A run whose clock is kinder to the keeper's own looks can be a little shorter than the first. */
const BEYOND_SHARE_MAX = 0.02;

interface Played {
  /** Of the searches alone, without times, and the blobs that are stored. */
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
    const { from, to } = faults.points ?? { from: 1, to: count };
    const moments = momentsOf(clean.points, faults.long);
    faults.say(`${count} points, ${moments.length} moments: each is a search of its own`);
    const points = everyNth(moments, faults.quick ? 48 : 1).filter((at) => at >= from && at <= to);
    const different: string[] = [];
    const broken: string[] = [];
    const restartsMs: number[] = [];
    let crashed = 0;
    let beyond = 0;
    await eachOf(faults, "points", points, async (at) => {
      const where = `point ${at} (${clean.points[at - 1]})`;
      const played = await play(faults, { at }).catch((error: Error) => {
        faults.say(`${where}: ${error.message}`);
        broken.push(`${where}: ${error.message}`);
        return undefined;
      });
      if (played === undefined) return;
      const difference = firstDifference(clean.left, played.left);
      broken.push(...played.broken.map((what) => `${where}: ${what}`));
      if (difference !== undefined) different.push(`${where}: ${difference}`);
      if (played.broken.length > 0 || difference !== undefined)
        faults.say(`${where}: ${played.broken[0] ?? difference}`);
      if (played.crashed) crashed += 1;
      else beyond += 1;
      restartsMs.push(...played.restartsMs);
    });
    return [
      ...sameTwice(clean, again),
      {
        what: `moments at which it died, of ${moments.length} there are (${count} points)`,
        figure: `${crashed} of ${points.length}${beyond === 0 ? "" : `; ${beyond} lay beyond the end of their run`}`,
        passes: "all",
        ok:
          points.length > 0 &&
          crashed >= points.length - Math.ceil(points.length * BEYOND_SHARE_MAX),
      },
      none("acknowledged writes lost, or trials live twice", broken, ` in ${points.length} runs`),
      none("searches that went on differently, row by row", different, ` of ${points.length}`),
      within("ready again", restartsMs, 5),
      ...(to >= count ? await killedInEarnest(faults) : []),
    ];
  },
};

/** The points to try, from 1. */
const momentsOf = (points: readonly string[], all: boolean): number[] =>
  points.flatMap((what, i) => {
    const again = what.startsWith("before") && points[i - 1]?.startsWith("after") === true;
    return all || !again ? [i + 1] : [];
  });

/** Without this, being equal to the clean run would prove nothing. */
function sameTwice(clean: Played, again: Played): Finding[] {
  const difference = firstDifference(clean.left, again.left);
  const trials = clean.left.trials?.length ?? 0;
  const gone = clean.left.checkpoints?.filter((row) => row.includes('"deleted_at":true')).length;
  const purged = clean.left.experiment_marks?.filter((row) => row.includes('"purged_at":true'));
  const broken = [...clean.broken, ...again.broken];
  return [
    ...(difference === undefined ? [] : [none("differences of two clean runs", [difference])]),
    ...(broken.length === 0 ? [] : [none("broken promises of clean runs", broken)]),
    ...(trials === 21 ? [] : [all("trials of the clean run", trials, 21)]),
    ...(gone && purged?.length === 1
      ? []
      : [
          none("retention of the clean run", [
            `${gone} checkpoints, ${purged?.length} experiments`,
          ]),
        ]),
  ];
}

async function play(faults: Faults, { at }: { readonly at?: number }): Promise<Played> {
  const dataDir = await newFolder();
  await using database = await scratchDatabase<Database>(await faults.database());
  const list = join(dataDir, "points");
  const home = { dataDir, databaseUrl: database.url, slots: 2, restorableMs: 0 };
  const server = new CrashingServer(home);
  const search = new ScriptedSearch(CONFIG, SMALL);
  let crashed = false;
  try {
    if (await server.start(at === undefined ? { list } : { at })) await search.meet(server.ready);
    else await restart();
    for (;;) {
      try {
        if (!(await search.advance())) break;
      } catch (error) {
        if (!(error instanceof NoAnswer) || crashed) throw error;
        await restart();
      }
    }
    const points = at === undefined ? (await readFile(list, "utf8")).trim().split("\n") : [];
    const restartsMs = server.startsMs.slice(at === undefined ? 0 : -1);
    const rows = { ...(await everything(database.pool)), ...(await stored(database.pool)) };
    // A transaction that was not committed has used up the number of a user.
    const left = comparable(rows, { without: ["owner_id"], settled: true });
    const blobs = readdirSync(join(dataDir, "blobs"), { recursive: true, withFileTypes: true });
    const files = blobs.flatMap((entry) => (entry.isFile() ? entry.name : [])).sort();
    if (at === undefined) await server.stop();
    return {
      ...{ left: { ...left, blobs: files }, broken: search.broken, crashed, points },
      restartsMs: crashed ? restartsMs : [],
    };
  } finally {
    search.close();
    await server.gone();
    await rm(dataDir, { recursive: true, force: true });
  }

  async function restart(): Promise<void> {
    crashed = true;
    await server.gone();
    await server.start();
    await search.meet(server.ready);
  }
}

const STORED = {
  logs: "allocation_id, seq",
  experiment_marks: "experiment_id",
  trees: "hash",
  tree_blobs: "tree, blob",
  blob_leases: "holder, blob",
  pins: "experiment_id, tree",
} as const;

/** Output, and what the register says of blobs. */
async function stored(pool: pg.Pool): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const [table, order] of Object.entries(STORED)) {
    const { rows } = await pool.query<{ row: string }>(
      `select to_jsonb(t)::text as row from ${table} t order by ${order}`,
    );
    found[table] = rows.map(({ row }) => row);
  }
  return found;
}
