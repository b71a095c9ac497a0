import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { dumpFile, dumpSchema } from "./schema-dump.ts";
import { withTestDatabase } from "./test-database.ts";

test("the migrations give exactly the schema that is committed (if meant: npm run generate)", async () => {
  await using database = await withTestDatabase();
  const actual = (await dumpSchema(database.pool)).split("\n");
  const committed = readFileSync(dumpFile, "utf8").split("\n");
  // Only the lines that differ: the whole text would hide them.
  const at = actual.findIndex((line, index) => line !== committed[index]);
  const excerpt = (lines: string[]) => (at === -1 ? [] : lines.slice(at, at + 5));
  assert.deepEqual(excerpt(actual), excerpt(committed), `line ${at + 1} of schema.dump.txt`);
  assert.equal(actual.length, committed.length);
});
