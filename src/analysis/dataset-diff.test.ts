import assert from "node:assert/strict";
import { test } from "node:test";
import type { ColumnStatistics, DatasetStatistics } from "../protocol/api/dataset-statistics.ts";
import { datasetDiff } from "./dataset-diff.ts";

const file = (path: string, content: string, size = 1) => ({ path, content, size });
const column = (name: string, over: Partial<ColumnStatistics> = {}): ColumnStatistics => ({
  ...{ name, type: "integer", count: 3, missing: 0, distinct: { value: 3, exact: true } },
  ...{ min: 1, max: 3, mean: 2, std: 1, quantiles: [{ q: 0.5, value: 2 }] },
  ...over,
});
const statistics = (rows: number, columns: ColumnStatistics[]): DatasetStatistics => ({
  ...{ extensions: [], classes: [], tables_left_out: 0 },
  tables: [{ path: "t.csv", format: "csv", rows, columns, note: null }],
});

test("files that came, went, moved, changed and stayed are told apart", () => {
  const from = [file("same", "a"), file("gone", "b"), file("old name", "c"), file("changed", "d")];
  const to = [file("same", "a"), file("came", "e"), file("new name", "c"), file("changed", "f", 2)];
  const diff = datasetDiff({ files: from, statistics: null }, { files: to, statistics: null });
  assert.deepEqual(
    diff.added.map(({ path }) => path),
    ["came"],
  );
  assert.deepEqual(
    diff.removed.map(({ path }) => path),
    ["gone"],
  );
  assert.deepEqual(diff.moved, [{ from: "old name", to: "new name" }]);
  assert.deepEqual(diff.changed, [
    { path: "changed", from: { size: 1, content: "d" }, to: { size: 2, content: "f" } },
  ]);
  assert.equal(diff.same_files, 1);
});

test("of equal files each goes one way, and empty ones go none", () => {
  const from = [file("a", "x"), file("b", "x"), file("empty", "0", 0)];
  const to = [file("c", "x"), file("d", "x"), file("e", "x"), file("empty 2", "0", 0)];
  const diff = datasetDiff({ files: from, statistics: null }, { files: to, statistics: null });
  assert.equal(diff.moved.length, 2);
  assert.deepEqual(
    diff.added.map(({ path }) => path),
    ["e", "empty 2"],
  );
});

test("figures of columns that moved are named, estimates that differ by their method alone are not", () => {
  const before = statistics(3, [column("a"), column("b"), column("gone")]);
  const after = statistics(4, [
    column("a", { missing: 1, quantiles: [{ q: 0.5, value: 3 }] }),
    column("b", { distinct: { value: 5, exact: false } }),
    column("new", { type: "text" }),
  ]);
  const files = [file("t.csv", "x")];
  const diff = datasetDiff({ files, statistics: before }, { files, statistics: after });
  assert.deepEqual(
    diff.statistics.map(({ column: name, figure, from, to }) => [name, figure, from, to]),
    [
      [null, "rows", 3, 4],
      ["gone", "column", "integer", null],
      ["a", "missing", 0, 1],
      ["a", "median", 2, 3],
      ["new", "column", null, "text"],
    ],
  );
});
