/** `lineage` and `ideas` against a fake server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Idea, Ideas, Lineage } from "../../protocol/api.ts";
import { cliBench } from "../test-bench.ts";
import { problem } from "../test-host.ts";
import { thingsOf } from "./lineage.ts";

const bench = cliBench();

const AT = "2026-11-23T09:00:00.000Z";
const HASH = "5a".repeat(32);

const node = (id: string, label: string, more = 0): Lineage["nodes"][number] => ({
  ...{ id, label, more, at: AT, distance: 1, state: id.startsWith("exp") ? "completed" : null },
  kind: id.slice(0, id.indexOf(":")) as Lineage["nodes"][number]["kind"],
});

/** Without what to do next. */
const linesOf = (out: string): string[] =>
  out
    .trimEnd()
    .split("\n")
    .filter((line) => !line.startsWith("next: "));

const graph: Lineage = {
  root: "experiment:3",
  nodes: [
    node("experiment:3", "digits\u001b[31m"),
    node("trial:3.12", "trial 3.12"),
    node("dataset:digits@2", "digits@2", 40),
    node("experiment:4", "wider"),
    node("experiment:1", "first"),
  ],
  edges: [
    { from: "dataset:digits@2", to: "experiment:3", relation: "data", note: "as train" },
    { from: "experiment:1", to: "experiment:3", relation: "fork", note: "other name" },
    { from: "dataset:digits@2", to: "experiment:1", relation: "data", note: "as train" },
    { from: "experiment:3", to: "trial:3.12", relation: "trial", note: "the best" },
    { from: "trial:3.12", to: "experiment:4", relation: "replay", note: "unchanged" },
  ],
};

test("a lineage is two trees, each thing once, and says how many are not shown", async () => {
  bench.server.answer("GET /lineage/experiment%3A3", graph);
  const ran = await bench.cli("lineage", "3");
  assert.equal(ran.code, 0, ran.err);
  assert.deepEqual(linesOf(ran.out), [
    "experiment 3 digits\\x1b[31m (completed)",
    "",
    "comes from",
    "  data, as train: dataset digits@2  and 40 more",
    "  fork, other name: experiment 1 first (completed)",
    "    data, as train: dataset digits@2 (above)",
    "",
    "came of it",
    "  trial, the best: trial 3.12",
    "    replay, unchanged: experiment 4 wider (completed)",
  ]);
  assert.deepEqual(JSON.parse((await bench.cli("lineage", "3", "--json")).out), graph);
});

test("a hash may be that of a checkpoint or of code", async () => {
  bench.server.answer(`GET /lineage/checkpoint%3A${HASH}`, (_, response) =>
    problem(response, 404, "not_found", "there is none"),
  );
  bench.server.answer(`GET /lineage/code%3A${HASH}`, {
    ...{ root: `code:${HASH}`, edges: [] },
    nodes: [node(`code:${HASH}`, "code")],
  });
  const ran = await bench.cli("lineage", HASH);
  assert.equal(ran.code, 0, ran.err);
  assert.match(ran.out, /code 5a5a5a5a5a5a\nnothing else has to do with it/);
  assert.equal((await bench.cli("lineage", "checkpoint", HASH)).code, 3);
  assert.deepEqual(thingsOf(["digits@2"]), ["dataset:digits@2"]);
  assert.deepEqual(thingsOf(["Trial", "3.12"]), ["trial:3.12"]);
  for (const words of [["3.12.1"], ["what"], ["slot", "1"], []])
    assert.throws(() => thingsOf(words), /has a lineage/);
});

const idea = (experiment: number, parent: number | null, over: Partial<Idea> = {}): Idea => ({
  ...{ experiment, name: `run-${experiment}`, owner: "ada", state: "completed", created_at: AT },
  ...{ archived: false, best: 0.5, metric: "loss", parent, threads: [] },
  ...{ by: parent === null ? null : "likeness", likeness: parent === null ? null : 0.9 },
  changed: parent === null ? null : { settings: [], settings_total: 0, code: true },
  ...over,
});

const ideas: Ideas = {
  items: [
    idea(1, null, { threads: [7] }),
    idea(2, 1, { state: "error", best: null }),
    idea(3, 1, {
      ...{ threads: [7], by: "fork", likeness: null },
      changed: { settings: ["a", "b", "c", "d"], settings_total: 6, code: false },
    }),
    idea(4, 3, { state: "active" }),
    idea(5, null),
  ],
  threads: [{ id: 7, name: "wider", note: "it was this", experiment: 3, by: "ada", at: AT }],
  total: 9,
};

test("ideas are a tree, with the threads in it", async () => {
  bench.server.answer("GET /ideas", ideas);
  const ran = await bench.cli("ideas");
  assert.equal(ran.code, 0, ran.err);
  assert.deepEqual(linesOf(ran.out), [
    "1 run-1 · completed · loss 0.5 · ★ wider",
    "├─ 2 run-2 · error · 90 % alike, other code",
    "└─ 3 run-3 · completed · loss 0.5 · fork, other a, b, c, 3 more settings · ★ wider",
    "   └─ 4 run-4 · active · loss 0.5 · 90 % alike, other code",
    "5 run-5 · completed · loss 0.5",
    "",
    "threads",
    "  7 wider: to experiment 3, marked by ada; it was this",
    "",
    "The newest 5 of 9; --limit shows more.",
  ]);
});

test("what has ended and lies on no thread is put aside, and only when that is asked for", async () => {
  bench.server.answer("GET /ideas", ideas);
  const shown = await bench.cli("ideas", "prune", "--json");
  assert.deepEqual(JSON.parse(shown.out).aside, [2, 5]);
  assert.deepEqual(JSON.parse(shown.out).archived, []);
  bench.server.answer("POST /experiments/archive", {
    items: [2, 5].map((id) => ({ id, changed: true, problem: null, experiment: null })),
  });
  const done = await bench.cli("ideas", "prune", "--apply", "--json");
  assert.deepEqual(JSON.parse(done.out).archived, [2, 5]);
  bench.server.answer("GET /ideas", { ...ideas, threads: [] });
  const none = await bench.cli("ideas", "prune", "--apply");
  assert.match(none.out, /Mark what matters first/);
});
