import assert from "node:assert/strict";
import { test } from "node:test";
import { cliBench } from "./test-bench.ts";
import { aDetail, anExperiment } from "./test-things.ts";

const bench = cliBench();
const at = "2026-11-23T09:00:00.000Z";
const why = { ...{ kind: "trial", id: "3.2", state: "x", reasons: [] }, last_lines: [] };
const deleted = { at, by: "ada", restorable_until: "2999-01-01T00:00:00.000Z" };

/** Each screen of an experiment's things; the same ones for people and machines. */
const SCREENS = [
  ["experiment", "show", "3"],
  ["trial", "show", "3.2"],
  ["trial", "list", "3"],
  ["why", "3"],
  ["why", "3.2"],
  ["why", "searcher", "3"],
];

test("each screen says that its experiment is deleted, until when it can come back, or archived", async () => {
  bench.server.answer("GET /why/*", why);
  for (const [aside, words] of [
    [{ deleted }, /deleted +by ada at 2026-11-23 .*; can be restored until 2999-01-01/],
    [{ archived_at: at }, /archived +(since )?2026-11-23/],
  ] as const) {
    bench.server.answer("GET /experiments/3", aDetail({ state: "completed", ...aside }));
    for (const screen of SCREENS) assert.match((await bench.cli(...screen)).out, words);
  }
  bench.server.answer(
    "GET /experiments/3",
    aDetail({ deleted: { ...deleted, restorable_until: at } }),
  );
  assert.match((await bench.cli("trial", "list", "3")).out, /could be restored until 2026-11-23/);
});

test("those that are not put aside say nothing of it, and an answer stands where that cannot be asked", async () => {
  bench.server.answer("GET /why/*", why);
  for (const screen of SCREENS)
    assert.doesNotMatch((await bench.cli(...screen)).out, /deleted|archived/);
  bench.server.answer("GET /experiments/3", (_, response) => void response.writeHead(503).end());
  assert.equal((await bench.cli("why", "3.2")).code, 0);
});

test("in a list the state says it", async () => {
  const items = [
    anExperiment({ id: 4, state: "completed", deleted, archived_at: at }),
    anExperiment({ id: 5, state: "error", archived_at: at }),
  ];
  bench.server.answer("GET /experiments", { items, next_cursor: null });
  const { out } = await bench.cli("experiment", "list", "--deleted");
  assert.match(out, /completed, deleted /);
  assert.match(out, /error, archived /);
});
