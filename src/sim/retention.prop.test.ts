import assert from "node:assert/strict";
import { test } from "node:test";
import { retentionWalks } from "./retention-walk.ts";

test("never is anything deleted that is needed, and a whole run deletes all else", async () => {
  const figures = await retentionWalks(6_000);
  const { checkpoints, deleted, crashes, crashesInDeletion, wholeRuns, pinned } = figures;
  for (const [name, count] of Object.entries({ deleted, crashesInDeletion, pinned }))
    assert.ok(count > 10, `${name}: ${count}; the walk has become empty`);
  assert.ok(checkpoints > 200 && crashes > 50 && wholeRuns > 20, JSON.stringify(figures));
});
