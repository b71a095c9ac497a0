import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import { CHAIN_START, WriteBatch } from "./write-batch.ts";

/** PostgreSQL keeps the statement of a name for as long as the connection lives, and refuses another under it. */
test("a table's statement is the same in whatever order the columns of a row are given", async () => {
  const texts: string[] = [];
  const client = {
    query: async ({ text }: pg.QueryConfig) => void texts.push(text),
  } as unknown as pg.ClientBase;
  for (const row of [
    { experiment_id: 1, at: null },
    { at: null, experiment_id: 2 },
  ]) {
    const batch = new WriteBatch();
    batch.put("retained", row);
    await batch.flush(client, CHAIN_START);
  }
  assert.equal(texts.length, 2);
  assert.equal(texts[0], texts[1]);
});
