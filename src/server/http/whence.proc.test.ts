/** From a bare file to what it comes from, also when its bytes are gone. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { canonicalTree } from "../../store/snapshot.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

async function put(server: TestServer, path: string, text: string) {
  await server.client.putBlob(sha256(text), text);
  return { path, size: text.length, hash: sha256(text), executable: false };
}

const unknown = async (server: TestServer, hash: string): Promise<void> => {
  const answer = await server.call("GET", `/api/v1/whence/${hash}`);
  assert.deepEqual([answer.status, answer.problem.code], [404, "not_found"], hash);
};

test("a file of a checkpoint, of code and of a dataset; a checkpoint whose bytes are gone", async () => {
  await using server = await testServer();
  const { client, runner } = server;
  const train = await put(server, "src/train.py", "print()");
  const digits = await put(server, "digits.csv", "1,2,3");
  await client.createDataset({ name: "digits", tree: [digits] });
  const { experiment } = await client.createExperiment({
    config: `${RANDOM_CONFIG.replace("max_trials: 2", "max_trials: 1")}data: {train: digits@1}\n`,
    code: [train],
    provenance: { git: { commit: "c0ffee" } },
  });
  const id = experiment?.id as number;
  const one = `${id}.1.1`;
  await runner.started(one);
  const trees = [];
  for (const [step, loss] of [
    [1, 0.5],
    [2, 0.9],
    [3, 0.1],
    [4, 0.7],
  ] as const) {
    await runner.report(one, step, { loss });
    const tree = [await put(server, "model.bin", `weights ${step}`)];
    trees.push(canonicalTree(tree).hash);
    await runner.tell(one, { type: "checkpoint", step, tree, metadata: {} });
  }
  const saved = await client.whence(sha256("weights 3"));
  assert.deepEqual([saved.size, saved.stored, saved.code, saved.datasets], [9, true, [], []]);
  const [checkpoint, ...others] = saved.checkpoints;
  assert.deepEqual(others, []);
  const { experiment: maker, created_at: _, ...place } = checkpoint ?? assert.fail();
  assert.deepEqual(place, {
    ...{ id: trees[2], trial: `${id}.1`, run: 1, step: 3, path: "model.bin", deleted: null },
  });
  assert.deepEqual([maker.id, maker.owner, maker.name], [id, "ada", "by-hand"]);
  assert.equal(maker.code, canonicalTree([train]).hash);
  assert.deepEqual(maker.provenance, { git: { commit: "c0ffee" } });
  assert.equal((maker.data.train as { dataset: string }).dataset, "digits@1");
  // Asked by the checkpoint's own name.
  assert.equal((await client.whence(trees[2] as string)).checkpoints[0]?.path, null);
  const code = await client.whence(train.hash);
  assert.deepEqual(
    code.code.map(({ path, experiment: e }) => [path, e.id]),
    [["src/train.py", id]],
  );
  const data = await client.whence(digits.hash);
  assert.deepEqual(
    data.datasets.map(({ path, name, version, created_by }) => [path, name, version, created_by]),
    [["digits.csv", "digits", 1, "ada"]],
  );
  await unknown(server, sha256("weights 5"));

  await runner.tell(one, { type: "waiting", step: 4 });
  await runner.exited(one, 0, { yielded: true });
  // What a person has sent stays for a day, whatever needs it.
  await server.pool.query("delete from blob_leases");
  await client.startGc();
  for (let i = 0; (await client.gcRun()).state !== "idle"; i++) {
    assert.ok(i < 600);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const gone = await client.whence(sha256("weights 2"));
  assert.deepEqual([gone.size, gone.stored], [9, false]);
  assert.deepEqual(
    gone.checkpoints.map(({ id: tree, step, path }) => [tree, step, path]),
    [[trees[1], 2, null]],
  );
  assert.match(gone.checkpoints[0]?.deleted?.why ?? "", /nothing needs it/);
  assert.equal((await client.whence(sha256("weights 3"))).stored, true);

  await client.actOnExperiments("delete", [id]);
  await server.pool.query("update experiment_marks set deleted_at = now() - interval '8 days'");
  await server.restart("keep");
  await client.startGc();
  for (let i = 0; ; i++) {
    const { rows } = await server.pool.query(
      "select from experiment_marks where emptied_at is not null",
    );
    if (rows.length > 0) break;
    assert.ok(i < 600);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await unknown(server, sha256("weights 2"));
  const { rows } = await server.pool.query("select * from past_tree_blobs");
  assert.deepEqual(rows, [], "of what was purged nothing is kept");
});
