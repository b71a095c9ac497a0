/** What was made from what, from any side; and the tree of ideas with its threads. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { Lineage } from "../../protocol/api.ts";
import { canonicalTree } from "../../store/snapshot.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

async function put(server: TestServer, path: string, text: string) {
  await server.client.putBlob(sha256(text), text);
  return { path, size: text.length, hash: sha256(text), executable: false };
}

/** Experiment 1 on two versions of a dataset's first, its trial saved at step 2; 2 is a fork, 3 goes on from the checkpoint. */
async function history(server: TestServer) {
  const { client, runner } = server;
  const train = await put(server, "train.py", "print()");
  await client.createDataset({ name: "digits", tree: [await put(server, "a.csv", "1")] });
  await client.createDataset({ name: "digits", tree: [await put(server, "a.csv", "2")] });
  await client.createExperiment({
    config: `${RANDOM_CONFIG.replace("max_trials: 2", "max_trials: 1")}data: {train: digits@1}\n`,
    code: [train],
  });
  await runner.started("1.1.1");
  await runner.report("1.1.1", 1, { loss: 0.5 });
  await runner.report("1.1.1", 2, { loss: 0.4 });
  const tree = [await put(server, "model.bin", "weights")];
  await runner.tell("1.1.1", { type: "checkpoint", step: 2, tree, metadata: {} });
  await client.fork({ of: "1", set: [{ path: "name", value: "wider" }], activate: false });
  await client.fork({ of: "1.1", from_checkpoint: 2, activate: false });
  return { code: canonicalTree([train]).hash, checkpoint: canonicalTree(tree).hash };
}

const edgesOf = ({ edges }: Lineage): string[] =>
  edges
    .map(
      ({ from, to, relation, note }) => `${from} -${relation}-> ${to}${note ? ` (${note})` : ""}`,
    )
    .sort();

test("a checkpoint leads to its trial, experiment, code, data, and to what went on from it", async () => {
  await using server = await testServer();
  const { code, checkpoint } = await history(server);
  const found = await server.client.lineage(`checkpoint:${checkpoint}`);
  assert.deepEqual(edgesOf(found), [
    `checkpoint:${checkpoint} -start-> experiment:3`,
    `code:${code} -code-> experiment:1`,
    `code:${code} -code-> experiment:2`,
    `code:${code} -code-> experiment:3`,
    "dataset:digits@1 -data-> experiment:1 (as train)",
    "dataset:digits@1 -data-> experiment:2 (as train)",
    "dataset:digits@1 -data-> experiment:3 (as train)",
    "experiment:1 -fork-> experiment:2 (other name)",
    "experiment:1 -trial-> trial:1.1 (the best)",
    `trial:1.1 -checkpoint-> checkpoint:${checkpoint} (at step 2)`,
    "trial:1.1 -fork-> experiment:3 (other searcher.source_checkpoint_uuid)",
  ]);
  const root = found.nodes[0];
  assert.deepEqual([root?.label, root?.distance], ["checkpoint of 1.1 at step 2", 0]);
  assert.ok(found.nodes.every(({ more }) => more === 0));
  // What is not shown is counted where it would hang.
  const near = await server.client.lineage("experiment:2", { depth: 1 });
  assert.deepEqual(near.nodes.map(({ id }) => id).sort(), [
    `code:${code}`,
    "dataset:digits@1",
    "experiment:1",
    "experiment:2",
  ]);
  assert.ok((near.nodes.find(({ id }) => id === "experiment:1")?.more ?? 0) > 0);
});

test("data and code are followed only where they were asked for", async () => {
  await using server = await testServer();
  const { code } = await history(server);
  const { client } = server;
  await client.createExperiment({
    config: `${RANDOM_CONFIG}data: {all: digits@1}\n`,
    ...{ code: null, activate: false },
  });
  const fromRun = await client.lineage("experiment:1");
  assert.ok(!fromRun.nodes.some(({ id }) => id === "experiment:4"));
  const fromData = await client.lineage("dataset:digits@1", { depth: 1 });
  assert.deepEqual(fromData.nodes.map(({ id }) => id).sort(), [
    "dataset:digits@1",
    "dataset:digits@2",
    ...[1, 2, 3, 4].map((id) => `experiment:${id}`),
  ]);
  const fromCode = await client.lineage(`code:${code}`, { depth: 1 });
  assert.equal(fromCode.nodes.length, 4);
  const gone = ["experiment:9", "trial:1.9", `code:${"0".repeat(64)}`, "dataset:digits@7"];
  for (const thing of gone) {
    const answer = await server.call("GET", `/api/v1/lineage/${thing}`);
    assert.deepEqual([answer.status, answer.problem.code], [404, "not_found"], thing);
  }
  for (const thing of ["slot:1", "experiment:1.1", "dataset:../x@1", "code:12"])
    assert.equal(
      (await server.call("GET", `/api/v1/lineage/${encodeURIComponent(thing)}`)).status,
      400,
      thing,
    );
});

test("runs are a tree by what was said and by what they resemble; a thread is marked afterwards and nothing is deleted", async () => {
  await using server = await testServer();
  const { client } = server;
  const first = [await put(server, "train.py", "print()"), await put(server, "net.py", "one")];
  const second = [first[0]!, await put(server, "net.py", "two")];
  const make = (code: typeof first | null, config: string) =>
    client.createExperiment({ config, code, activate: false });
  const wider = RANDOM_CONFIG.replace("max_trials: 2", "max_trials: 3");
  await make(first, RANDOM_CONFIG);
  await make(second, RANDOM_CONFIG);
  await make(null, "name: other\nentrypoint: 'sh -c true'\nsearcher: {name: single}\n");
  await make(second, wider);
  await client.fork({ of: "1", activate: false });
  const { items } = await client.ideas();
  assert.deepEqual(
    items.map(({ experiment, parent, by }) => [experiment, parent, by]),
    [
      [1, null, null],
      [2, 1, "likeness"],
      [3, null, null],
      [4, 2, "likeness"],
      [5, 1, "fork"],
    ],
  );
  assert.deepEqual(items[1]?.changed?.code, true);
  assert.ok(items[3]?.changed?.settings.includes("searcher.max_trials"));
  assert.deepEqual([items[3]?.changed?.code, items[4]?.likeness], [false, null]);

  const thread = await client.markThread({ experiment: 4, name: "wider", note: "it was this" });
  const marked = await client.ideas({ limit: 100 });
  assert.deepEqual(
    marked.items.filter(({ threads }) => threads.includes(thread.id)).map((one) => one.experiment),
    [1, 2, 4],
  );
  assert.deepEqual(marked.threads, [thread]);
  assert.equal((await client.markThread({ experiment: 4, name: "wider" })).id, thread.id);
  const { items: log } = await client.audit({ order: "newest" });
  assert.deepEqual([log[0]?.subject, log[0]?.what], [`thread ${thread.id}`, "marked"]);
  await client.unmarkThread(thread.id);
  assert.deepEqual((await client.ideas()).threads, []);
  assert.equal((await client.experiments()).items.length, 5);
  for (const [method, path, body] of [
    ["POST", "/api/v1/threads", { experiment: 99, name: "x" }],
    ["DELETE", `/api/v1/threads/${thread.id}`, undefined],
  ] as const)
    assert.equal((await server.call(method, path, { body })).status, 404);
  const { token } = await client.createToken({ name: "viewer", scope: "read" });
  const body = { experiment: 1, name: "x" };
  assert.equal((await server.call("POST", "/api/v1/threads", { token, body })).status, 403);
  assert.equal((await server.call("GET", "/api/v1/ideas", { token })).status, 200);
});
