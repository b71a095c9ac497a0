import assert from "node:assert/strict";
import { test } from "node:test";
import { toCsv, toJson } from "./chart-table.ts";

test("csv quotes what needs it, keeps numbers exact and leaves no formula", () => {
  const table = {
    columns: ["trial", "loss"],
    rows: [
      ["1.1", 0.1 + 0.2],
      ['a "b", c\nd', null],
      ["=HYPERLINK(1)", -1],
    ],
  };
  assert.equal(
    toCsv(table),
    'trial,loss\r\n1.1,0.30000000000000004\r\n"a ""b"", c\nd",\r\n\'=HYPERLINK(1),-1\r\n',
  );
});

test("json has one object a row", () => {
  const rows = [[1, "NaN"]] as const;
  assert.deepEqual(JSON.parse(toJson({ columns: ["step", "loss"], rows })), [
    { step: 1, loss: "NaN" },
  ]);
});
