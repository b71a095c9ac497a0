import assert from "node:assert/strict";
import { test } from "node:test";
import { columnsOf } from "./inert.ts";
import { COLOUR_PAINT } from "./paint.ts";
import { facts, table } from "./table.ts";

const columns = [
  { head: "id", align: "right" },
  { head: "name", flexible: true },
  { head: "state" },
] as const;
const rows = [
  [1, "a", "active"],
  [12, "the longest name of all of them", null],
];

test("columns are as wide as their content; what is missing is a dash", () => {
  assert.deepEqual(table(columns, rows, { width: Number.POSITIVE_INFINITY }), [
    "id  name                             state",
    " 1  a                                active",
    "12  the longest name of all of them  -",
  ]);
});

test("on a narrow terminal the flexible column gives way", () => {
  assert.deepEqual(table(columns, rows, { width: 30 }), [
    "id  name                state",
    " 1  a                   active",
    "12  the longest name …  -",
  ]);
});

test("columns that may be left out are, the least important first, and numbers stay whole", () => {
  const wide = [
    { head: "id" },
    { head: "a long name of a metric", align: "right", flexible: true },
    { head: "owner", drop: 2 },
    { head: "created", drop: 1 },
  ] as const;
  const cells = [["3.1", "0.00007168", "somebody", "3 h ago"]];
  const at = (width: number): string[] => table(wide, cells, { width });
  assert.deepEqual(at(60)[1], "3.1               0.00007168  somebody  3 h ago");
  assert.deepEqual(at(34), [
    "id   a long na…  owner     created",
    "3.1  0.00007168  somebody  3 h ago",
  ]);
  assert.deepEqual(at(24), ["id   a long na…  created", "3.1  0.00007168  3 h ago"]);
  assert.deepEqual(at(10)[1], "3.1  0.00007168");
});

test("every row fits as long as the flexible columns can give", () => {
  const wide = [{ head: "a", flexible: true }, { head: "b", flexible: true }, { head: "c" }];
  const long = [
    ["x".repeat(50), "中".repeat(30), "fixed"],
    ["y", "z", "w"],
  ];
  for (let width = 25; width < 130; width++)
    for (const line of table(wide, long, { width }))
      assert.ok(columnsOf(line) <= width, `${width}: ${line}`);
});

test("a hostile cell stays in its cell and is obeyed by nobody", () => {
  const [, line] = table([{ head: "name" }, { head: "b" }], [["\x1b[31mred\nsecond\u202e", "x"]], {
    width: 80,
  });
  assert.equal(line, "\\x1b[31mred\\nsecond\\u202e  x");
});

test("paint colours the text and not the filling, and moves nothing", () => {
  const painted = table(
    [{ head: "s" }, { head: "t" }],
    [
      [{ text: "ok", paint: COLOUR_PAINT.green }, "x"],
      ["failed", "y"],
    ],
    { width: 80 },
  );
  assert.deepEqual(painted, ["s       t", "\x1b[32mok\x1b[39m      x", "failed  y"]);
});

test("facts line up and leave out what is not there", () => {
  assert.deepEqual(
    facts([
      ["a", 1],
      ["longer", "two"],
      ["gone", undefined],
      ["none", null],
    ]),
    ["a       1", "longer  two", "none    -"],
  );
});
