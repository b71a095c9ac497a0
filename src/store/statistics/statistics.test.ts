/** What is said of tables and folders, by example. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { datasetStatistics } from "../../protocol/api/dataset-statistics.ts";
import { CsvTable } from "./csv.ts";
import { extensionOf, folderStatistics } from "./folder.ts";

function tableOf(text: string, path = "t.csv") {
  const table = new CsvTable(path);
  table.write(Buffer.from(text));
  const found = table.end();
  if (found) {
    const all = { extensions: [], classes: [], tables: [found], tables_left_out: 0 };
    assert.deepEqual(datasetStatistics.parse(all), all);
  }
  return found;
}

describe("a text table", () => {
  test("columns have a type, what is missing, and figures", () => {
    const table = tableOf(
      "id,weight,ok,day,name,empty\n1,2.5,true,2026-01-02,ada,\n2,,false,2026-01-03,bob,\n3,7.5,true,2026-01-01,NA,\n",
    );
    assert.equal(table?.rows, 3);
    const by = Object.fromEntries(table?.columns.map((column) => [column.name, column]) ?? []);
    assert.deepEqual(
      Object.values(by).map(({ type }) => type),
      ["integer", "number", "boolean", "time", "text", "empty"],
    );
    assert.equal(by.weight?.missing, 1);
    assert.equal(by.weight?.mean, 5);
    assert.equal(by.weight?.std?.toString().slice(0, 6), "3.5355");
    assert.equal(by.id?.quantiles.find(({ q }) => q === 0.5)?.value, 2);
    assert.deepEqual([by.day?.min, by.day?.max], ["2026-01-01", "2026-01-03"]);
    assert.deepEqual([by.name?.count, by.name?.missing, by.empty?.missing], [2, 1, 3]);
  });

  test("without names in its first row gets some, and counts that row", () => {
    const table = tableOf("1;2\n3;4\n");
    assert.deepEqual(
      table?.columns.map(({ name, min }) => [name, min]),
      [
        ["column_1", 1],
        ["column_2", 2],
      ],
    );
    assert.equal(table?.rows, 2);
    assert.equal(tableOf("a\tb\n1\t2\n", "t.tsv")?.columns.length, 2);
  });

  test("says what is odd about it, and bounds what it keeps", () => {
    assert.match(tableOf("a,b\n1\n1,2,3\n4,5\n")?.note ?? "", /2 rows have more or fewer cells/);
    assert.match(tableOf('a,b\n"never closed,2\n3,4')?.note ?? "", /within a quoted cell/);
    const wide = Array.from({ length: 1200 }, (_, i) => `c${i}`).join(",");
    const table = tableOf(`${wide}\n`);
    assert.equal(table?.columns.length, 1000);
    assert.match(table?.note ?? "", /200 columns beyond/);
    const long = tableOf(`name\n${"x".repeat(500_000)}\0`);
    assert.equal(long, undefined);
    assert.equal(String(tableOf(`name\n${"x".repeat(500_000)}\n`)?.columns[0]?.max).length, 120);
    assert.equal(tableOf(""), undefined);
  });

  test("infinities are numbers, and half a character is nothing that a database would refuse", () => {
    const [column] = tableOf("v\n1\n-inf\ninf\n")?.columns ?? [];
    assert.deepEqual(
      [column?.type, column?.min, column?.max, column?.mean],
      ["number", "-Infinity", "Infinity", 1],
    );
    const table = new CsvTable("t.csv");
    table.write(Buffer.from([0x61, 0x0a, 0xff, 0xfe, 0x0a]));
    assert.ok(String(table.end()?.columns[0]?.max).isWellFormed());
  });
});

describe("a folder", () => {
  test("is counted by extension, and by class where every file lies in one", () => {
    const files = [
      { path: "train/cat/1.png", size: 10 },
      { path: "train/cat/2.PNG", size: 20 },
      { path: "train/dog/1.png", size: 30 },
    ];
    const { extensions, classes } = folderStatistics(files);
    assert.deepEqual(extensions, [{ name: ".png", files: 3, bytes: 60 }]);
    assert.deepEqual(
      classes.map(({ name, files: count }) => [name, count]),
      [
        ["train/cat", 2],
        ["train/dog", 1],
      ],
    );
    assert.deepEqual(folderStatistics([...files, { path: "labels.csv", size: 1 }]).classes, []);
  });

  test("an extension is what follows the last dot of a name", () => {
    for (const [path, is] of [
      ["a.tar.gz", ".tar.gz"],
      ["a.b/c", ""],
      [".hidden", ""],
      ["x.Parquet", ".parquet"],
      ["no", ""],
    ] as const)
      assert.equal(extensionOf(path), is, path);
  });
});
