/** Two hundred runs of the simulator, and that a run is a function of its seed. */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { drawScenario } from "./scenario.ts";
import { runSeeds } from "./seed-runs.ts";
import { simulate } from "./simulation.ts";
import { SIZES } from "./sizes.ts";
import { Trace } from "./trace.ts";

test("two hundred seeds break no rule", async () => {
  const broken: string[] = [];
  let commits = 0;
  let lost = 0;
  const { done } = await runSeeds({
    ...{ first: 1, count: 200, threads: Math.min(2, availableParallelism()) },
    onOutcome: (outcome) => {
      commits += outcome.commits;
      lost += outcome.lost;
      if (outcome.broken)
        broken.push(`npm run sim -- --seed ${outcome.seed}: ${outcome.broken.message}`);
      return false;
    },
  });
  assert.deepEqual(broken, []);
  assert.equal(done, 200);
  assert.ok(commits > 2500, `${commits} commits: the runs have become empty`);
  assert.ok(lost > 10, `${lost} leases were lost: too few to see what follows`);
});

test("fifty nodes and a thousand trials break no rule either", async () => {
  const { runners, submissions } = drawScenario(1, SIZES.fleet);
  assert.deepEqual([runners.length, submissions.length], [50, 25]);
  const trials = new Set<string>();
  const trace = new Trace((line) => {
    for (const [trial] of line.matchAll(/\b\d+\.\d+(?=\.\d+\b)/g)) trials.add(trial);
  });
  const { broken } = await simulate(1, trace, SIZES.fleet);
  assert.equal(broken, null);
  assert.ok(trials.size > 900, `${trials.size} trials ran`);
});

test("the same seed gives the same trace, whatever ran before it", async () => {
  const first = await simulate(11, new Trace(null));
  await simulate(12);
  const second = await simulate(11, new Trace(null));
  const other = await simulate(12, new Trace(null));
  assert.deepEqual(second, first);
  assert.match(first.hash, /^[0-9a-f]{64}$/);
  assert.notEqual(other.hash, first.hash);
});

test("a trace changes nothing but that it is there", async () => {
  const silent = await simulate(21);
  const traced = await simulate(21, new Trace(null));
  assert.deepEqual({ ...traced, hash: "" }, silent);
});

test("seeds differ in cluster, work and what goes wrong", () => {
  const scenarios = Array.from({ length: 600 }, (_, seed) => drawScenario(seed));
  // What only large runs have, those show.
  const large = Array.from({ length: 200 }, (_, seed) => drawScenario(seed, SIZES.large));
  const different = (of: (scenario: ReturnType<typeof drawScenario>) => unknown) =>
    new Set(large.map((scenario) => JSON.stringify(of(scenario)))).size;
  assert.equal(new Set(scenarios.map(({ size }) => size.name)).size, 4);
  assert.equal(
    different(({ slots }) => slots),
    8,
  );
  assert.equal(
    different(({ submissions }) => submissions.length),
    4,
  );
  assert.equal(
    different(({ runners }) => runners.length),
    3,
  );
  assert.equal(
    different(({ restarts }) => restarts.length),
    4,
  );
  const methods = new Set(
    scenarios.flatMap(({ submissions }) => submissions.map(({ config }) => config.searcher.name)),
  );
  assert.deepEqual([...methods].map(String).sort(), [
    "adaptive_asha",
    "asha",
    "grid",
    "hyperband",
    "null",
    "random",
    "single",
  ]);
  for (const name of Object.keys(scenarios[0]?.faults ?? {})) {
    const on = scenarios.filter(({ faults }) => faults[name as keyof typeof faults] > 0).length;
    assert.ok(on > 15 && on < 585, `${name} is on in ${on} of 600`);
  }
});
