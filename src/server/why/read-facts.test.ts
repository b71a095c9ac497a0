import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import { Play, randomSearch, specWith } from "../../core/lifecycle/lifecycle-fixtures.test.ts";
import type { LiveExperiment } from "../live-experiment.ts";
import { World } from "../world.ts";
import { answerExperiment } from "./experiment-answer.ts";
import { readExperimentFacts, readSlotFacts, readTrialFacts } from "./read-facts.ts";
import { answerTrial } from "./trial-answer.ts";

const SLOT = { kind: "cpu", node: "here", description: "" } as const;
const slots = (pool: string, name: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    ...{ ...SLOT, id: `${name}:${i}`, pool, runner: pool },
  }));

/** Experiment 1 has all of pool `default`; of experiment 2 the trials 1 and 2 have all of pool `gpus`, and 3 waits. */
function stand() {
  const world = new World([...slots("default", "cpu", 12), ...slots("gpus", "gpu", 2)]);
  const play = new Play(specWith(randomSearch(3))).run(1).run(2);
  world.adopt({
    ...{ id: 2, row: { created_at: new Date(0) }, x: play.x, priority: 42, pool: "gpus" },
    ...{ slotsMax: undefined, trials: new Map(), allocations: new Map() },
  } as unknown as LiveExperiment);
  world.slots.forEach(({ id, pool }, i) => {
    const holder = pool === "gpus" ? { experiment: 2, trial: i - 11 } : { experiment: 1, trial: 1 };
    world.holders.set(id, { ...holder, run: 1, sinceMs: play.nowMs });
  });
  const experiment = {
    ...{ id: 2, state: "active", error: 0, config: { searcher: {} }, core: play.x.core },
    ...{ plan: {}, search_spec: { method: { name: "random" } }, best_trial: null },
  };
  const trial = { experiment_id: 2, number: 3, state: "queued", restarts: 0, core: play.trial(3) };
  const query = async (sql: string) => {
    if (sql.includes("from trials t")) return { rows: [trial] };
    return { rows: sql.includes("from experiments e") ? [experiment] : [] };
  };
  const readPool = { query } as unknown as pg.Pool;
  return { world, readPool, nodes: { why: () => null }, nowMs: play.nowMs };
}

test("who waits in a pool is told who holds its slots, and nothing of those of another pool", async () => {
  const sources = stand();
  const held = [
    { slot: "gpu:0", allocation: "2.1.1" },
    { slot: "gpu:1", allocation: "2.2.1" },
  ];
  const trial = await readTrialFacts(sources, { experiment: 2, number: 3 });
  const experiment = await readExperimentFacts(sources, 2);
  assert.ok(trial && experiment);
  for (const { reasons } of [answerTrial(trial), answerExperiment(experiment)]) {
    const reason = reasons.find(({ code }) => code === "waits_for_slots");
    assert.match(reason?.text ?? "", /queue\. gpu:0 is held by 2\.1\.1 \(.*\), gpu:1 by 2\.2\.1/);
    assert.doesNotMatch(reason?.text ?? "", /cpu|more/);
    assert.deepEqual(reason?.figures.holders, held);
  }
  const holderOf = async (slot: string) =>
    (await readSlotFacts(sources, slot))?.holder?.allocation ?? null;
  assert.deepEqual([await holderOf("cpu:3"), await holderOf("gpu:1")], ["1.1.1", "2.2.1"]);
});
