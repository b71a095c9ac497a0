import assert from "node:assert/strict";
import { test } from "node:test";
import type { Queryable } from "../../store/audit-reads.ts";
import { describe } from "./describe.ts";

test("a checkpoint that replays saved again is the one of the trial that saved it first", async () => {
  const tree = "a".repeat(64);
  const saved = (experiment: number, minute: number, deleted: boolean) => ({
    ...{ tree, experiment, trial: 1, step: "9", deleted },
    at: new Date(Date.UTC(2026, 0, 1, 0, minute)),
  });
  const labels = async (...rows: ReturnType<typeof saved>[]) => {
    const query = async (text: string) => ({ rows: text.includes("c.tree = any") ? rows : [] });
    const found = await describe({ query } as unknown as Queryable, [`checkpoint:${tree}`]);
    const { label, state } = found.get(`checkpoint:${tree}`) ?? {};
    return [label, state];
  };
  assert.deepEqual(await labels(saved(5, 7, false), saved(2, 1, true), saved(23, 9, true)), [
    "checkpoint of 2.1 and 2 more at step 9",
    null,
  ]);
  assert.deepEqual(await labels(saved(2, 1, true)), ["checkpoint of 2.1 at step 9", "deleted"]);
});
