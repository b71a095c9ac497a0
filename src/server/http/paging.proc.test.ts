/** Walking lists while they grow, and sending one creation twice. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import type { Page, PageQuery } from "../../sdk/client.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

/** All checkpoints stay, so that each of them can be asked for. */
const MANY = `${RANDOM_CONFIG.replace("max_trials: 2", "max_trials: 40").replace(
  "name: random,",
  "name: random, max_concurrent_trials: 40,",
)}checkpoint_storage: {save_trial_latest: 1000}\n`;

/** Every item, page by page, with something added between the pages. */
async function walk<T>(
  next: (query: PageQuery) => Promise<Page<T>>,
  meanwhile: (page: number) => Promise<unknown> = async () => undefined,
): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < 100; page++) {
    const { items: more, next_cursor: after } = await next({ limit: 7, cursor });
    assert.ok(more.length <= 7);
    items.push(...more);
    if (after === null) return items;
    cursor = after;
    await meanwhile(page);
  }
  throw new Error("the walk does not end");
}

const blob = (text: string): { hash: string; size: number; bytes: string } => ({
  hash: createHash("sha256").update(text).digest("hex"),
  size: text.length,
  bytes: text,
});

async function upload(server: TestServer, text: string) {
  const { hash, size, bytes } = blob(text);
  await server.client.putBlob(hash, bytes);
  return { path: "file", hash, size, executable: false };
}

describe("pages", () => {
  test("give each thing exactly once while others are added", async () => {
    await using server = await testServer({ slots: 2 });
    const { client, runner } = server;
    const create = () =>
      client.createExperiment({ config: RANDOM_CONFIG, code: null, activate: false });
    for (let i = 0; i < 20; i++) await create();
    const experiments = await walk((query) => client.experiments(query), create);
    assert.deepEqual(
      experiments.map(({ id }) => id),
      Array.from({ length: 20 }, (_, i) => 20 - i),
      "newest first; what came later is not in this walk",
    );
    for (const { id } of (await client.experiments({ limit: 1000 })).items)
      await client.changeExperiment(id, "cancel");

    const { experiment } = await client.createExperiment({ config: MANY, code: null });
    assert.ok(experiment);
    const id = experiment.id;
    for (const order of ["number", "best"] as const) {
      const trials = await walk((query) => client.experimentTrials(id, { ...query, order }));
      assert.deepEqual(
        trials.map(({ number }) => number),
        Array.from({ length: 40 }, (_, i) => i + 1),
      );
    }

    const own = `${id}.1.1`;
    await runner.started(own);
    let step = 0;
    const save = async () => {
      step += 1;
      const tree = [await upload(server, `checkpoint ${step}`)];
      await runner.tell(own, { type: "report", step, metrics: { loss: 1 / step } });
      await runner.tell(own, { type: "checkpoint", step, tree, metadata: { step } });
    };
    for (let i = 0; i < 20; i++) await save();
    for (const list of [
      (query: PageQuery) => client.trialCheckpoints(`${id}.1`, query),
      (query: PageQuery) => client.experimentCheckpoints(id, query),
    ]) {
      const last = step;
      const found = await walk(list, save);
      assert.deepEqual(
        found.map((checkpoint) => checkpoint.step),
        Array.from({ length: last }, (_, i) => last - i),
      );
      assert.deepEqual(found.at(-1)?.metadata, { step: 1 });
      const detail = await client.checkpoint(found.at(-1)?.id ?? "");
      assert.equal(detail.step, 1);
      assert.equal(detail.tree[0]?.hash, blob("checkpoint 1").hash);
    }

    let line = 0;
    const print = () => runner.print(own, ...Array.from({ length: 5 }, () => `line ${++line}`));
    for (let i = 0; i < 4; i++) await print();
    const lines = await walk(
      (query) => client.trialLogs(`${id}.1`, query),
      (page) => (page < 3 ? print() : Promise.resolve()),
    );
    assert.deepEqual(
      lines.map(({ text }) => text),
      Array.from({ length: line }, (_, i) => `line ${i + 1}`),
      "logs grow at the end, so the walk meets what was added",
    );

    const before = (await client.experimentChanges(id, { limit: 1000 })).items;
    const changes = await walk((query) => client.experimentChanges(id, query));
    assert.deepEqual(changes, before);
    assert.ok(changes.length > 40);
    assert.deepEqual(
      changes.map(({ seq }) => seq),
      changes.map(({ seq }) => seq).sort((a, b) => a - b),
    );

    const decisions = (await client.experimentDecisions(id, { limit: 1000 })).items;
    assert.deepEqual(await walk((query) => client.experimentDecisions(id, query)), decisions);
    assert.ok(decisions.length >= 40);
    const allocations = (await client.experimentAllocations(id, { limit: 1000 })).items;
    assert.deepEqual(await walk((query) => client.experimentAllocations(id, query)), allocations);

    let version = 0;
    const add = async (name: string) =>
      client.createDataset({ name, tree: [await upload(server, `data ${++version}`)] });
    for (let i = 0; i < 10; i++) for (const name of ["a.b", "c-d"]) await add(name);
    const datasets = await walk(
      (query) => client.datasets(query),
      () => add("a.b"),
    );
    assert.deepEqual(
      datasets.map((d) => `${d.name}@${d.version}`),
      ["a.b", "c-d"].flatMap((name) => Array.from({ length: 10 }, (_, i) => `${name}@${10 - i}`)),
    );
  });

  test("a cursor that is none of ours is refused by name", async () => {
    await using server = await testServer();
    await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
    const lists = [
      "/experiments",
      "/datasets",
      "/experiments/1/trials",
      "/experiments/1/checkpoints",
    ].concat([
      "/trials/1.1/checkpoints",
      "/experiments/1/changes",
      "/experiments/1/allocations",
      "/experiments/1/decisions",
      "/experiments/1/logs",
      "/trials/1.1/logs",
    ]);
    for (const list of lists)
      for (const cursor of ["x", "-1", "1.5", "99999999999999999999", "a@b@c", "__", "1-x"]) {
        const path = `/api/v1${list}?cursor=${encodeURIComponent(cursor)}`;
        const answer = await server.call("GET", path);
        assert.equal(answer.status, 400, path);
        assert.ok(answer.problem.detail.includes(`the cursor ${JSON.stringify(cursor)}`), path);
      }
  });
});

describe("an idempotency key", () => {
  test("gives the same experiment again, whether the copies come one by one or at once", async () => {
    await using server = await testServer();
    const { client } = server;
    const request = { config: RANDOM_CONFIG, code: null, provenance: { host: "here" } };
    const first = await client.createExperiment(request, "key-1");
    const again = await client.createExperiment(request, "key-1");
    assert.equal(again.experiment?.id, first.experiment?.id);
    assert.deepEqual(again.plan, first.plan);
    const many = await Promise.all(
      Array.from({ length: 10 }, () => client.createExperiment(request, "key-2")),
    );
    assert.equal(new Set(many.map(({ experiment }) => experiment?.id)).size, 1);
    await assert.rejects(client.createExperiment({ ...request, activate: false }, "key-1"), {
      code: "idempotency_mismatch",
      status: 409,
    });
    const other = await client.createExperiment(request, "key-3");
    assert.notEqual(other.experiment?.id, first.experiment?.id);
    assert.equal((await client.experiments()).items.length, 3);
  });

  test("of a refused request stays free for the corrected one", async () => {
    await using server = await testServer();
    const bad = { config: RANDOM_CONFIG.replace("random", "randon"), code: null };
    await assert.rejects(server.client.createExperiment(bad, "key"), { code: "invalid_config" });
    const good = await server.client.createExperiment({ config: RANDOM_CONFIG, code: null }, "key");
    assert.equal(good.experiment?.state, "active");
  });
});
