/** What retention may give up while somebody is about to go on from it, or to compare with it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SearchSpec } from "../core/search/search.ts";
import type { ExperimentConfig } from "../protocol/config/config.ts";
import type { RouteContext } from "./http/context.ts";
import { deleteCheckpoints } from "./retention/commands.ts";
import { startOf } from "./start-checkpoint.ts";
import { Turn, World } from "./world.ts";

const tree = "a".repeat(64);
const policy = { experimentBest: 0, trialBest: 0, trialLatest: 1 };

/** The steps of those that go, of one that nothing needs. */
function given(world: World, replays = 0, turn = new Turn(0)): number[] {
  const facts = { trial: 1, run: 1, step: 3, tree, objective: null, savedAtMs: 0 };
  const why = { doomed: [{ ...facts, trialId: 1 }], policy, actor: "retention", replays };
  return deleteCheckpoints(world, turn, 1, why).map(({ step }) => step);
}

/** A submission that goes on from it. */
function begun(world: World) {
  const seen: string[] = [];
  const context = {
    loop: {
      world,
      read: async () => {
        seen.push("everything is durable");
      },
    },
    readPool: {
      query: async () => {
        seen.push(`given up meanwhile: ${given(world).length}`);
        return { rows: [{ experiment: 1, trial: 1, step: "3", run: 1, deletedAt: null }] };
      },
    },
  };
  const searcher = { source_checkpoint_uuid: tree, time_metric: "hours" };
  const held = new DisposableStack();
  const start = startOf(
    context as unknown as RouteContext,
    { searcher } as unknown as ExperimentConfig,
    {} as SearchSpec,
    held,
  );
  return { seen, start, held };
}

test("a checkpoint is not given up from before it is looked up until the experiment is made", async () => {
  const world = new World([]);
  const [one, other] = [begun(world), begun(world)];
  const { from } = await one.start;
  await other.start;
  assert.deepEqual(one.seen, ["everything is durable", "given up meanwhile: 0"]);
  assert.deepEqual(from, { step: 3, tree });
  one.held.dispose();
  const turn = new Turn(0);
  assert.deepEqual(given(world, 0, turn), [], "the other is still about to");
  assert.deepEqual([...turn.retention], [1], "and if nothing comes of it, it is looked at again");
  assert.deepEqual(
    turn.batch.contents.tables.map(({ table, rows }) => [table, rows]),
    [["retained", [{ experiment_id: 1, at: null }]]],
  );
  other.held.dispose();
  assert.deepEqual(given(world), [3]);
});

test("what was judged before a replay of the experiment began is not given up by that", () => {
  const world = new World([]);
  const replays = world.retention.replays(1);
  world.retention.noteReplay(2);
  assert.deepEqual(given(world, replays), [3]);
  world.retention.noteReplay(1);
  assert.deepEqual(given(world, replays), []);
  assert.deepEqual(given(world, world.retention.replays(1)), [3]);
});
