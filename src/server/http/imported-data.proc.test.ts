/** Two servers count the versions of their datasets each on its own: what an imported experiment reads is its data, not its number. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { JsonObject } from "../../base/json.ts";
import { bundleFrom, sent, sha256 } from "../import/test-bundle.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

const CONFIG = RANDOM_CONFIG.replace("max_trials: 2", "max_trials: 1");

async function put(server: TestServer, path: string, text: string) {
  await server.client.putBlob(sha256(text), text);
  return { path, size: text.length, hash: sha256(text), executable: false };
}

async function add(server: TestServer, name: string, text: string): Promise<string> {
  const tree = [await put(server, "a.csv", text)];
  const { version } = await server.client.createDataset({ name, tree });
  return `${name}@${version}`;
}

/** A trial that read a dataset, saved once and is over. */
async function trained(server: TestServer, dataset: string): Promise<number> {
  const { client, runner } = server;
  const { experiment } = await client.createExperiment({
    config: `${CONFIG}data: {train: ${dataset}}\n`,
    code: [await put(server, "train.py", "print()")],
  });
  const id = experiment?.id ?? 0;
  const run = `${id}.1.1`;
  const { target } = await client.trial(`${id}.1`);
  await runner.started(run);
  for (let step = 1; step <= (target ?? 1); step++)
    await runner.report(run, step, { loss: 1 / step });
  const tree = [await put(server, "model.bin", `weights of ${dataset}`)];
  await runner.tell(run, { type: "checkpoint", step: target, tree, metadata: {} });
  await runner.tell(run, { type: "waiting", step: target });
  await runner.exited(run, 0, { yielded: true });
  assert.equal((await client.experiment(id)).state, "completed");
  return id;
}

async function brought(from: TestServer, to: TestServer, id: number, withData: boolean) {
  const bundle = await bundleFrom(from.client, id, undefined, { withData });
  return await to.client.importBundle(await sent(to.client, bundle));
}

const trainOf = async ({ client }: TestServer, id: number) =>
  (await client.experiment(id)).data.train as JsonObject;
const latest = async ({ client }: TestServer, name: string) =>
  (await client.dataset({ name, version: "latest" })).version;

describe("data of an imported experiment", () => {
  let here: TestServer;
  let there: TestServer;
  let id: number;
  before(async () => {
    [here, there] = await Promise.all([testServer(), testServer()]);
    await add(here, "digits", "old");
    await add(here, "digits", "what it was trained on");
    id = await trained(here, "digits@2");
  });
  after(() => Promise.all([here.stop(), there.stop()]));

  test("that came along is a version of a name of its own, and is forked and replayed from", async () => {
    const { experiment, data } = await brought(here, there, id, true);
    assert.deepEqual(data, [
      { as: "train", origin: "digits@2", dataset: "digits.imported@1", created: true },
    ]);
    assert.deepEqual(
      (await there.client.datasets()).items.map(({ name }) => name),
      ["digits.imported"],
    );
    const origin = await trainOf(here, id);
    assert.deepEqual(await trainOf(there, experiment.id), {
      snapshot: origin.snapshot,
      dataset: "digits.imported@1",
    });
    const asked = await there.client.replay(`${experiment.id}.1`, { dry_run: true });
    assert.deepEqual(asked.reasons, []);
    const fork = await there.client.fork({ of: String(experiment.id), activate: false });
    assert.match(fork.config, /train: digits\.imported@1/);
    assert.deepEqual(
      await trainOf(there, fork.experiment?.id ?? 0),
      await trainOf(there, experiment.id),
    );

    // Where it came from it is what it was there.
    const back = await brought(there, here, experiment.id, true);
    assert.deepEqual(back.data, [
      { as: "train", origin: "digits.imported@1", dataset: "digits@2", created: false },
    ]);
  });

  test("leaves what @latest means, and is a version that is here already where its content is", async () => {
    for (const text of ["b1", "b2", "b3"]) await add(there, "digits", text);
    await add(here, "digits", "b2");
    const [old, known] = [await trained(here, "digits@1"), await trained(here, "digits@3")];
    const first = await brought(here, there, old, true);
    assert.equal(first.data[0]?.created, true);
    assert.match(first.data[0]?.dataset ?? "", /^digits\.imported@/);
    const second = await brought(here, there, known, true);
    assert.deepEqual(second.data, [
      { as: "train", origin: "digits@3", dataset: "digits@2", created: false },
    ]);
    // Also where it did not have to come along.
    await trained(here, "digits@3").then(async (again) =>
      assert.equal((await brought(here, there, again, false)).data[0]?.dataset, "digits@2"),
    );
    assert.equal(await latest(there, "digits"), 3);
    assert.equal((await there.client.datasets({ name: "digits" })).items.length, 3);
  });

  test("that did not come along is foreign, and nothing of the version that is called so here", async () => {
    await add(here, "letters", "of there");
    const local = await add(there, "letters", "of here");
    assert.equal(local, "letters@1");
    const { experiment, data } = await brought(here, there, await trained(here, local), false);
    assert.equal(data[0]?.dataset, null);
    const trial = `${experiment.id}.1`;
    const { snapshot, dataset, foreign } = await trainOf(there, experiment.id);
    assert.deepEqual([dataset, foreign], ["letters@1", true]);
    const replay = await there.client.replay(trial, { dry_run: true });
    assert.match(replay.reasons.join("\n"), /letters@1 .*no dataset version here has its snapshot/);
    await assert.rejects(
      there.client.fork({ of: trial, activate: false }),
      /letters@1 is not here: no dataset version here has its snapshot/,
    );

    const lineage = await there.client.lineage(`experiment:${experiment.id}`);
    const node = lineage.nodes.find(({ kind }) => kind === "dataset");
    assert.deepEqual(
      [node?.id, node?.label, node?.state],
      [`dataset:${snapshot}`, "letters@1", "foreign"],
    );
    const around = await there.client.lineage(`dataset:${snapshot}`, { depth: 1 });
    assert.ok(around.nodes.some((one) => one.id === `experiment:${experiment.id}`));
    const own = await there.client.lineage("dataset:letters@1", { depth: 1 });
    assert.deepEqual(
      own.nodes.map((one) => one.id),
      ["dataset:letters@1"],
    );

    const whence = await there.client.whence(sha256("of here"));
    assert.deepEqual(
      whence.datasets.map(({ used_by }) => used_by),
      [[]],
    );
    const model = await there.client.whence(sha256("weights of letters@1"));
    const read = model.checkpoints[0]?.experiment.data.train as JsonObject | undefined;
    assert.equal(read?.foreign, true);
    const version = { name: "letters", version: 1 };
    assert.equal((await there.client.dataset(version)).used_by_total, 0);
    await there.client.removeDataset(version);

    // Once it is a version here, that is what it reads, whatever its record calls it.
    await add(there, "letters", "of there");
    assert.equal((await trainOf(there, experiment.id)).foreign, undefined);
    assert.deepEqual((await there.client.replay(trial, { dry_run: true })).reasons, []);
    const { used_by } = await there.client.dataset({ name: "letters", version: 2 });
    assert.deepEqual(
      used_by.map((one) => one.experiment),
      [experiment.id],
    );
    await assert.rejects(there.client.removeDataset({ name: "letters", version: 2 }), {
      code: "conflict",
    });
    // One that has not ended keeps its bytes, although it calls them otherwise than what was removed.
    await there.client.fork({ of: trial, activate: false });
    await there.client.removeDataset({ name: "letters", version: 2 }, "letters@2");
    there.clock.advance(25 * 3600 * 1000);
    await there.client.startGc();
    for (let i = 0; (await there.client.gcRun()).state !== "idle"; i++) {
      assert.ok(i < 2_400);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    assert.equal((await there.call("GET", `/api/v1/blobs/${sha256("of there")}`)).text, "of there");
    const linked = await there.client.lineage(`experiment:${experiment.id}`);
    assert.ok(linked.nodes.some((one) => one.id === "dataset:letters@2"));
  });

  test("leaves no version behind where the import fails, and is new with the one that does not", async () => {
    const bundle = await bundleFrom(here.client, id, undefined, { withData: true });
    await using fresh = await testServer();
    const manifest = await sent(fresh.client, bundle);
    await fresh.pool.query(
      `create function fail() returns trigger language plpgsql as $$ begin raise 'no room'; end $$;
       create trigger fail before insert on checkpoints for each statement execute function fail()`,
    );
    await assert.rejects(fresh.client.importBundle(manifest), { code: "internal" });
    await fresh.pool.query("drop trigger fail on checkpoints; drop function fail");
    assert.deepEqual((await fresh.client.datasets({ removed: true })).items, []);
    const { data, experiment } = await fresh.client.importBundle(manifest);
    assert.deepEqual([data[0]?.dataset, data[0]?.created], ["digits.imported@1", true]);
    const { dataset } = await trainOf(fresh, experiment.id);
    assert.equal(dataset, "digits.imported@1");
    const { items } = await fresh.client.audit({ what: "created" });
    const made = items.filter(({ subject }) => subject === "dataset digits.imported@1");
    assert.deepEqual(
      made.map(({ actor }) => actor),
      ["ada"],
    );
  });

  test("is refused where the manifest speaks of other data than the experiment", async () => {
    const bundle = await bundleFrom(here.client, id, undefined, { withData: true });
    const [about] = bundle.about.data;
    assert(about);
    const swapped = { ...bundle.about, data: [{ ...about, name: "test" }] };
    await using fresh = await testServer();
    const manifest = await sent(fresh.client, { ...bundle, about: swapped });
    await assert.rejects(fresh.client.importBundle(manifest), {
      code: "invalid_bundle",
      message: /its data "test" is .* that of experiment\.json is none/,
    });
    assert.deepEqual((await fresh.client.datasets()).items, []);
  });
});
