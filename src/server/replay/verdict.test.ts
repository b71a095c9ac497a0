import assert from "node:assert/strict";
import { test } from "node:test";
import type { DecisionLoop } from "../loops/decision-loop.ts";
import { Turn } from "../world.ts";
import { NOTHING_COMPARED, writeVerdict } from "./verdict.ts";
import { VerdictBook } from "./verdict-book.ts";

test("two verdicts on one trial in one turn are both kept, and whoever watches is told of each trial", async () => {
  let turn = new Turn(1_000);
  const loop = {
    submit: async (command: { run: (world: unknown, turn: Turn) => unknown }) =>
      command.run(undefined, turn),
  } as unknown as DecisionLoop;
  const about = { experiment: 3, askedBy: "ada", text: "x", detail: NOTHING_COMPARED };
  const book = new VerdictBook();
  const write = (trial: number, replay: number | null) =>
    writeVerdict(
      loop,
      book,
      { ...about, trial, replay, state: "not_comparable" },
      { releases: replay !== null },
    );
  await write(1, 7);
  await write(1, null);
  await write(2, null);
  const rows = turn.batch.contents.tables.find(({ table }) => table === "verdicts")?.rows ?? [];
  assert.deepEqual(
    rows.map(({ trial_number, replay_id, at }) => [trial_number, replay_id, at]),
    [
      [1, 7, "1970-01-01T00:00:01.000Z"],
      [1, null, "1970-01-01T00:00:01.001Z"],
      [2, null, "1970-01-01T00:00:01.000Z"],
    ],
  );
  assert.deepEqual([...(turn.shown.get(3) ?? [])], [1, 2]);
  assert.deepEqual([...(turn.shown.get(7) ?? [])], [1]);
  // What waited for the verdict is looked at again, also after a restart.
  assert.deepEqual([...turn.retention], [3]);
  const retained = turn.batch.contents.tables.find(({ table }) => table === "retained");
  assert.deepEqual(retained?.rows, [{ experiment_id: 3, at: null }]);
  // Another turn within the millisecond, and one after the clock was set back.
  for (const [nowMs, at] of [
    [1_001, "1970-01-01T00:00:01.002Z"],
    [10, "1970-01-01T00:00:01.003Z"],
  ] as const) {
    turn = new Turn(nowMs);
    await write(1, 8);
    const found = turn.batch.contents.tables.find(({ table }) => table === "verdicts");
    assert.equal(found?.rows[0]?.at, at);
  }
});
