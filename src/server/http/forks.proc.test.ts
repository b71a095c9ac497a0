/** Runnable copies: what they take with them, what differs, and who may make them. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { Client } from "../../sdk/client.ts";
import { RemoteError } from "../../sdk/remote-error.ts";
import { testServer } from "./test-server.ts";

const CONFIG = `# ours
name: digits
entrypoint: "python3 train.py"
data: {train: digits@latest, depth: 2}
searcher: {name: random, metric: loss, max_length: {epochs: 4}, max_trials: 3}
hyperparameters:
  rate: {type: double, minval: 0, maxval: 1}
  model: {width: {type: int, minval: 1, maxval: 900}}
`;

async function uploaded(client: Client, text: string, path: string) {
  const bytes = Buffer.from(text);
  const hash = createHash("sha256").update(bytes).digest("hex");
  await client.putBlob(hash, bytes);
  return { path, size: bytes.length, hash, executable: false };
}

async function original(client: Client) {
  const code = await uploaded(client, "print(1)", "train.py");
  await client.createDataset({ name: "digits", tree: [await uploaded(client, "1", "a.csv")] });
  const reply = await client.createExperiment({
    ...{ config: CONFIG, code: [code], activate: false },
    provenance: { folder: "/srv/gone", host: "ada-1", git: { commit: "abc" } },
  });
  assert.ok(reply.experiment);
  return reply.experiment;
}

const choices = async (client: Client, id: number) =>
  (await client.experimentTrials(id)).items.map(({ hyperparameters, seed }) => [
    hyperparameters,
    seed,
  ]);

test("a fork of an experiment is the same search: code, data versions, seeds and every choice", async () => {
  await using server = await testServer();
  const { client } = server;
  const made = await original(client);
  // What was latest then is what the copy gets.
  await client.createDataset({ name: "digits", tree: [await uploaded(client, "2", "a.csv")] });
  const { experiment, overrides, config } = await client.fork({ of: "1", activate: false });
  assert.ok(experiment);
  assert.deepEqual(overrides, []);
  assert.match(config, /# ours/);
  const [before, after] = [await client.experiment(1), await client.experiment(experiment.id)];
  assert.equal(after.code, made.code);
  assert.equal(after.seed, before.seed);
  assert.deepEqual(after.data, before.data);
  assert.deepEqual(
    { ...(after.config as object), data: null },
    { ...(before.config as object), data: null },
  );
  assert.deepEqual(await choices(client, 2), await choices(client, 1));
  assert.deepEqual(after.provenance.git, { commit: "abc" });
  assert.deepEqual(after.ancestry?.kind, "fork");
  assert.deepEqual([after.ancestry?.experiment, after.ancestry?.trial], [1, null]);
  assert.deepEqual(
    before.descendants.items.map(({ experiment: id, kind, trial }) => [id, kind, trial]),
    [[2, "fork", null]],
  );
  const { items } = await client.audit({ experiment: 2, order: "oldest" });
  assert.equal(items[0]?.cause, "forked from experiment 1");
});

test("a fork of a trial is that trial alone; only what was overridden differs, and it says so", async () => {
  await using server = await testServer();
  const { client } = server;
  await original(client);
  const [, second] = (await client.experimentTrials(1)).items;
  assert.ok(second);
  const same = await client.fork({ of: "1.2", activate: false });
  assert.deepEqual(same.overrides, []);
  assert.deepEqual(await choices(client, 2), [[second.hyperparameters, second.seed]]);
  const set = [
    { path: "hyperparameters.rate", value: 0.25 },
    { path: "searcher.max_length.epochs", value: 9 },
    { path: "name", value: "wider" },
  ];
  const changed = await client.fork({ of: "1.2", set, activate: false });
  const { rate } = second.hyperparameters as { rate: number };
  const expected = [
    { path: "hyperparameters.rate", from: rate, to: 0.25 },
    { path: "name", from: "digits", to: "wider" },
    { path: "searcher.max_length.epochs", from: 4, to: 9 },
  ];
  const byPath = (list: readonly { path: string }[]) =>
    list.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  assert.deepEqual(byPath(changed.overrides), expected);
  const detail = await client.experiment(3);
  assert.deepEqual(byPath(detail.ancestry?.overrides ?? []), expected);
  assert.equal(detail.ancestry?.trial, "1.2");
  const [[choice, seed] = []] = await choices(client, 3);
  assert.deepEqual(choice, { ...second.hyperparameters, rate: 0.25 });
  assert.equal(seed, second.seed);
  const { items } = await client.audit({ experiment: 3, order: "oldest" });
  assert.match(
    items[0]?.cause ?? "",
    /^forked from trial 1\.2 with .*hyperparameters\.rate.* changed$/,
  );
  // A copy of a copy takes over what the first one was given.
  await client.fork({ of: "3", activate: false });
  assert.deepEqual(await choices(client, 4), [[choice, seed]]);
});

test("paths that name nothing are refused with the nearest that does, and with their place", async () => {
  await using server = await testServer();
  const { client } = server;
  await original(client);
  const refused = async (path: string, value: string | number) => {
    const [result] = await Promise.allSettled([client.fork({ of: "1", set: [{ path, value }] })]);
    assert.equal(result.status, "rejected");
    assert.ok(result.reason instanceof RemoteError);
    assert.equal(result.reason.code, "invalid_config");
    return result.reason.issues?.[0];
  };
  assert.match((await refused("searcher.max_trails", 3))?.message ?? "", /max_trials/);
  const slip = await refused("hyperparameters.rates", 0.1);
  assert.match(slip?.message ?? "", /did you mean hyperparameters\.rate\?/);
  assert.ok(slip?.line !== undefined && slip.line > 1 && slip.column === 3);
  assert.match((await refused("hyper..x", 1))?.message ?? "", /is no path/);
  assert.match((await refused("searcher.max_trials", "many"))?.message ?? "", /max_trials/);
  assert.match((await refused("data.train", "digits@9"))?.message ?? "", /digits@9/);
  assert.equal((await client.experiments()).items.length, 1);
  // A new name that resembles nothing is an addition.
  const added = await client.fork({
    ...{ of: "1", set: [{ path: "hyperparameters.momentum", value: 0.9 }], dry_run: true },
  });
  assert.deepEqual(added.overrides, [{ path: "hyperparameters.momentum", to: 0.9 }]);
  assert.equal(added.experiment, null);
});

test("only who may write may fork, and what is not there is not found", async () => {
  await using server = await testServer();
  const { client, call, runner } = server;
  await original(client);
  const { token } = await client.createToken({ name: "viewer", scope: "read" });
  for (const [who, status] of [
    [token, 403],
    [runner.token, 403],
    [null, 401],
  ] as const)
    assert.equal(
      (await call("POST", "/api/v1/forks", { token: who, body: { of: "1" } })).status,
      status,
    );
  for (const id of ["2", "1.9", "2.1"])
    assert.equal((await call("POST", "/api/v1/forks", { body: { of: id } })).status, 404, id);
  assert.equal((await call("POST", "/api/v1/forks", { body: { of: "1.2.3" } })).status, 400);
});

test("a submission may say what it comes from; what differs is found by the server", async () => {
  await using server = await testServer();
  const { client } = server;
  await original(client);
  const config = CONFIG.replace("max_trials: 3", "max_trials: 5").replace(
    "name: digits",
    "name: d2",
  );
  const copied = await client.createExperiment({
    ...{ config, code: null, activate: false },
    parent: { kind: "copy", experiment: 1 },
  });
  const id = copied.experiment?.id ?? 0;
  const { ancestry } = await client.experiment(id);
  assert.equal(ancestry?.kind, "copy");
  const paths = ancestry?.overrides.map(({ path }) => path).toSorted();
  assert.deepEqual(paths, ["name", "reproducibility.experiment_seed", "searcher.max_trials"]);
  const imported = await client.createExperiment({
    ...{ config, code: null, activate: false },
    parent: { kind: "import", label: "server b, experiment 17" },
  });
  const from = (await client.experiment(imported.experiment?.id ?? 0)).ancestry;
  assert.deepEqual(
    [from?.kind, from?.experiment, from?.label, from?.overrides],
    ["import", null, "server b, experiment 17", []],
  );
  const wrong = [
    { kind: "copy" },
    { kind: "replay", experiment: 1 },
    { kind: "copy", trial: 1, label: "x" },
  ];
  for (const parent of wrong) {
    const body = { config, code: null, parent };
    assert.equal((await server.call("POST", "/api/v1/experiments", { body })).status, 400);
  }
  for (const parent of [
    { kind: "copy", experiment: 99 },
    { kind: "copy", experiment: 1, trial: 9 },
  ]) {
    const body = { config, code: null, parent };
    assert.equal((await server.call("POST", "/api/v1/experiments", { body })).status, 404);
  }
});
