/**
 * `reproducibility.deterministic_search`: one seed on 1, 4 and 16 slots, over programs whose steps take a random time.
 * Which trials there are, what is decided of each and in which order, and what comes out is the same (row 24, M036, M037).
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Stand, stand } from "./support.ts";

const SEARCHERS = {
  asha: {
    ...{ name: "asha", max_length: { epochs: 9 }, divisor: 3, num_rungs: 3 },
    ...{ max_trials: 12, max_concurrent_trials: 6 },
  },
  stopping: {
    ...{ name: "asha", max_length: { epochs: 9 }, divisor: 3, num_rungs: 3, stop_once: true },
    ...{ max_trials: 12, max_concurrent_trials: 6 },
  },
} as const;

/** Those with the highest rates, which are promoted, err for good at step 2. */
const configOf = (searcher: object): object => ({
  ...{ name: "erratic", entrypoint: "node erratic.ts", max_restarts: 1 },
  hyperparameters: {
    rate: { type: "double", minval: 0.01, maxval: 0.5 },
    fails_above: 0.34,
  },
  searcher: { metric: "loss", smaller_is_better: true, ...searcher },
  reproducibility: { experiment_seed: 11, deterministic_search: true },
});

interface Story {
  readonly trials: unknown;
  readonly rungs: unknown;
  readonly best: unknown;
  readonly order: readonly string[];
}

async function storyOf(it: Stand, id: number): Promise<Story> {
  const { best } = await it.client.experiment(id);
  const trials = await it.details(id);
  const log = await it.client.searchLog(id, { limit: 1000 });
  assert.equal(log.next_cursor, null);
  return {
    rungs: await it.client.rungs(id),
    best,
    trials: trials.map(({ number, hyperparameters, seed, step, state, end_reason, decisions }) => ({
      ...{ number, hyperparameters, seed, step, state, end_reason },
      decisions: decisions.map(({ what, target, code, text, standing }) => ({
        ...{ what, target, code, text, standing },
      })),
    })),
    // All decisions in the one order in which they were taken, over all trials.
    order: log.items.flatMap(({ actions }) =>
      (actions as { type: string; trial?: number; target?: number }[])
        .filter(({ type }) => type !== "hold")
        .map(({ type, trial, target }) => `${type} ${trial ?? ""} ${target ?? ""}`),
    ),
  };
}

interface Run {
  readonly stories: ReadonlyMap<string, Story>;
  readonly held: ReadonlyMap<string, { results: number; slot_seconds: number }>;
}

async function runOn(slots: number): Promise<Run> {
  await using it = await stand({ slots });
  const code = await it.codeFolder({}, ["erratic.ts"]);
  const stories = new Map<string, Story>();
  const held = new Map<string, { results: number; slot_seconds: number }>();
  for (const [name, searcher] of Object.entries(SEARCHERS)) {
    const { id } = await it.submit(configOf(searcher), code);
    const experiment = await it.ended(id, 240_000);
    assert.equal(experiment.state, "completed", experiment.reason);
    stories.set(name, await storyOf(it, id));
    assert.ok(experiment.spent.held, "what the order cost is told");
    held.set(name, experiment.spent.held);
    const shown = await it.contrail(["experiment", "show", String(id)]);
    assert.match(shown.stdout, /order cost +(\d+ results? waited|no result had to wait)/);
    const replayed = await it.contrail(["search", "replay", String(id)]);
    assert.equal(replayed.code, 0, replayed.stdout + replayed.stderr);
    assert.match(replayed.stdout, /decisions are the same/);
  }
  return { stories, held };
}

describe("a deterministic search", () => {
  test("decides the same on 1, 4 and 16 slots", { timeout: 600_000 }, async () => {
    const few = await runOn(1);
    for (const slots of [4, 16]) {
      const run = await runOn(slots);
      for (const [name, story] of run.stories)
        assert.deepEqual(story, few.stories.get(name), `${name} on ${slots} slots`);
      const results = [...run.held.values()].reduce((sum, one) => sum + one.results, 0);
      assert.ok(results > 0, `results came in another order than they count on ${slots} slots`);
    }
    for (const { order, trials } of few.stories.values()) {
      assert.ok(order.length > 20);
      const ends = (trials as { end_reason: string }[]).map(({ end_reason: end }) => end);
      assert.ok(ends.includes("user_error"), "some failed for good and count in their place");
    }
  });
});
