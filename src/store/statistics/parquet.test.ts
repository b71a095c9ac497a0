import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { StatisticsCollector } from "./collect.ts";
import { parquetTable } from "./parquet.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-parquet-"));
after(() => rmSync(root, { recursive: true }));
/** Six rows in two row groups: id, weight, name, ok, at. */
const SMALL = join(import.meta.dirname, "fixtures", "small.parquet");

test("a Parquet file is read column by column over its row groups", async () => {
  const table = await parquetTable("t.parquet", SMALL);
  assert.deepEqual([table?.rows, table?.note], [6, null]);
  const by = Object.fromEntries(table?.columns.map((column) => [column.name, column]) ?? []);
  assert.deepEqual(
    Object.values(by).map(({ name, type, count, missing }) => [name, type, count, missing]),
    [
      ["id", "integer", 6, 0],
      ["weight", "number", 5, 1],
      ["name", "text", 5, 1],
      ["ok", "boolean", 6, 0],
      ["at", "time", 6, 0],
    ],
  );
  assert.deepEqual([by.id?.min, by.id?.max, by.id?.mean], [1, 6, 3.5]);
  assert.deepEqual([by.weight?.min, by.weight?.max, by.weight?.mean], [1.5, 6.5, 4.1]);
  assert.deepEqual(by.name?.distinct, { value: 4, exact: true });
  assert.equal(by.at?.max, "2026-01-06T00:00:00.000Z");
});

test("what only looks like one is left out, and tables beyond the limit are counted", async () => {
  const broken = join(root, "broken.parquet");
  writeFileSync(broken, "no parquet at all");
  assert.equal(await parquetTable("broken.parquet", broken), undefined);
  const collector = new StatisticsCollector();
  const files = Array.from({ length: 103 }, (_, i) => ({ path: `${i}.csv`, size: 4 }));
  for (const { path } of files) collector.open(path)?.(Buffer.from("a\n1\n"));
  const all = await collector.result([...files, { path: "t.pq", size: 1 }], () => SMALL);
  assert.deepEqual([all.tables.length, all.tables_left_out], [100, 4]);
});
