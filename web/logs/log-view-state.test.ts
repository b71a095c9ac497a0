import assert from "node:assert/strict";
import { test } from "node:test";
import { logCommand, readLogView, timeOf } from "./log-view-state.ts";

test("the address is read, and nonsense in it is nothing", () => {
  const plain = readLogView({});
  assert.equal(plain.follow, true);
  assert.equal(plain.line, undefined);
  const linked = readLogView({ line: "2.1041" });
  assert.deepEqual(linked.line, { run: 2, line: 1041 });
  assert.equal(linked.follow, false);
  const nonsense = readLogView({ rank: "-1", stream: "x", line: "2", since: "soon", contains: "" });
  assert.deepEqual(nonsense, { ...plain, badTimes: ["soon"] });
  // A place belongs to the whole log; among lines that match it is another one.
  const both = readLogView({ line: "2.1", contains: "x" });
  assert.equal(both.line, undefined);
  assert.equal(both.follow, false);
});

test("times are UTC, as they are shown, and may stop early", () => {
  const table: [string | undefined, object][] = [
    [undefined, {}],
    [" ", {}],
    ["2026-01-31", { time: "2026-01-31T00:00:00.000Z" }],
    ["2026-01-31 08:05", { time: "2026-01-31T08:05:00.000Z" }],
    ["2026-01-31T08:05:06.5Z", { time: "2026-01-31T08:05:06.500Z" }],
    ["2026-01-31 08:05:06 UTC", { time: "2026-01-31T08:05:06.000Z" }],
    ["2026-13-31", { bad: "2026-13-31" }],
    ["yesterday", { bad: "yesterday" }],
  ];
  for (const [text, expected] of table) assert.deepEqual(timeOf(text), expected, text);
});

test("the command gives the same lines, and foreign text in it is one word", () => {
  assert.equal(logCommand({ trial: "1.2" }, readLogView({}), false), "contrail logs 1.2 --follow");
  assert.equal(
    logCommand({ trial: "1.2" }, readLogView({ line: "1.9" }), true),
    "contrail logs 1.2 --from 1.9",
  );
  assert.equal(
    logCommand({ experiment: 3 }, readLogView({ line: "1.9", follow: "yes" }), false),
    "contrail logs 3 --follow",
  );
  const view = readLogView({ contains: "it's; rm -rf", rank: "3", stream: "stderr" });
  assert.equal(
    logCommand({ trial: "1.2" }, view, true),
    "contrail logs 1.2 --rank 3 --stream stderr --contains 'it'\\''s; rm -rf'",
  );
});
