import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ContrailError } from "../protocol/errors.ts";
import * as wire from "../protocol/runner-wire.ts";
import { openBlobFolder } from "../store/blobs.ts";
import { addDataset } from "../store/dataset-store.ts";
import type { Database } from "../store/schema.ts";
import { withTestDatabase } from "../store/test-database.ts";
import { createExperiment } from "./create-experiment.ts";
import { ordersFor } from "./orders.ts";
import { everything, TestCluster } from "./test-cluster.ts";
import { toLaunchSettings } from "./translate.ts";

const CONFIG = `
entrypoint: train
searcher: {name: random, metric: loss, max_length: {epochs: 4}, max_trials: 3}
hyperparameters: {rate: {type: double, minval: 0, maxval: 1}}
`;

async function openCluster() {
  const database = await withTestDatabase<Database>();
  const cluster = await TestCluster.open({ pool: database.pool, slots: 4 });
  return { cluster, pool: database.pool, [Symbol.asyncDispose]: () => database.drop() };
}

async function refusal(work: Promise<unknown>): Promise<ContrailError> {
  const [result] = await Promise.allSettled([work]);
  assert.equal(result.status, "rejected");
  return result.reason as ContrailError;
}

test("under one key an experiment is made once, however many ask and however close together", async () => {
  await using opened = await openCluster();
  const { cluster, pool } = opened;
  const replies = await Promise.all([1, 2, 3].map(() => cluster.create(CONFIG, { key: "a key" })));
  assert.deepEqual(
    replies.map(({ experiment }) => experiment?.id),
    [1, 1, 1],
  );
  await cluster.restart();
  const { experiment, plan } = await cluster.create(CONFIG, { key: "a key" });
  assert.deepEqual([experiment?.id, plan], [1, replies[0]?.plan]);
  assert.equal((await cluster.create(CONFIG, { key: "another" })).experiment?.id, 2);
  assert.equal((await cluster.create(CONFIG)).experiment?.id, 3);
  const { code, message } = await refusal(cluster.create(`${CONFIG}\n`, { key: "a key" }));
  assert.equal(code, "idempotency_mismatch");
  assert.match(message, /a key/);
  const { rows } = await pool.query("select count(*)::int as n from experiments");
  assert.deepEqual(rows, [{ n: 3 }]);
});

test("a request under a key that failed does not stand in the way of the next", async () => {
  await using opened = await openCluster();
  const { cluster } = opened;
  const [bad, good] = await Promise.allSettled([
    cluster.create("nonsense: 1", { key: "k" }),
    cluster.create(CONFIG, { key: "k" }),
  ]);
  assert.deepEqual([bad.status, good.status], ["rejected", "fulfilled"]);
});

test("a dry run plans and makes nothing", async () => {
  await using opened = await openCluster();
  const { cluster, pool } = opened;
  const before = await everything(pool);
  const { experiment, plan } = await cluster.create(CONFIG, { dryRun: true });
  assert.equal(experiment, null);
  assert.deepEqual(
    [plan.searcher, plan.trials_max, plan.steps_max, plan.slots],
    ["random", 3, 12, 4],
  );
  assert.deepEqual(await everything(pool), before);
  assert.equal(cluster.world.experiments.size, 0);
});

test("what could never start is refused, with the largest that fits", async () => {
  await using opened = await openCluster();
  const { cluster } = opened;
  const wide = (slots: number) => `${CONFIG}resources: {slots_per_trial: ${slots}}\n`;
  const { code, message, hint } = await refusal(cluster.create(wide(5)));
  assert.equal(code, "slots_unavailable");
  assert.match(message, /needs 5 slots; there are 4/);
  assert.match(hint ?? "", /largest .*slots_per_trial that fits is 4/);
  assert.equal((await cluster.create(wide(4))).experiment?.state, "active");
});

test("every fault of a configuration comes at once, each with its place; nothing is made", async () => {
  await using opened = await openCluster();
  const { cluster } = opened;
  const faulty = CONFIG.replace("max_trials: 3", "max_trials: -3, divsor: 2").replace(
    "entry",
    "enrty",
  );
  const { code, issues, message } = await refusal(cluster.create(faulty));
  assert.equal(code, "invalid_config");
  const paths = issues?.map(({ path, line }) => `${path} ${line}`);
  assert.ok((paths?.length ?? 0) >= 3, String(paths));
  assert.match(message, /^line \d+, column \d+: .*\(and \d more\)$/s);
  assert.equal(cluster.world.experiments.size, 0);
});

test("a grid that its budget cannot visit is refused; other searches are cut to the budget", async () => {
  await using opened = await openCluster();
  const { cluster } = opened;
  const grid = `
entrypoint: train
searcher: {name: grid, metric: loss, max_length: 2}
hyperparameters: {x: {type: int, minval: 1, maxval: 9, count: 9}}
budget: {trials: 5}
`;
  const { code, message } = await refusal(cluster.create(grid));
  assert.equal(code, "invalid_config");
  assert.match(message, /budget.trials is 5, but the grid has 9 points/);
  const { plan } = await cluster.create(`${CONFIG}budget: {trials: 2}\n`, { dryRun: true });
  assert.equal(plan.trials_max, 2);
});

test("a checkpoint at or past the first step asked for is refused, also by a dry run: nothing would be trained", async () => {
  await using opened = await openCluster();
  const { cluster, pool } = opened;
  // Its one trial saves at steps 1 and 3.
  await cluster.create(CONFIG.replace("epochs: 4}, max_trials: 3", "epochs: 3}, max_trials: 1"));
  await cluster.finish();
  const { rows } = await pool.query<{ tree: string }>(
    "select tree from checkpoints where step = 3",
  );
  const from = (searcher: string): string =>
    `${CONFIG.replace(/searcher: .*/, `searcher: {metric: loss, ${searcher}, source_checkpoint_uuid: ${rows[0]?.tree}}`)}`;
  const refused: [searcher: string, message: RegExp, hint: RegExp][] = [
    ["name: single, max_length: 3", /step 3, .* for step 3 first/, /max_length above 3/],
    ["name: random, max_length: 2, max_trials: 2", /for step 2 first/, /max_length above 3/],
    [
      "name: asha, max_length: 81, max_trials: 9, num_rungs: 4",
      /step 3, .* for step 3 first/,
      /max_length or lower searcher.num_rungs, so that the first rung lies above step 3/,
    ],
    ["name: hyperband, max_length: 27, max_trials: 40", /for step 1 first/, /above step 3/],
    ["name: adaptive_asha, max_length: 16, max_trials: 16", /for step 1 first/, /max_rungs/],
  ];
  for (const [searcher, message, hint] of refused)
    for (const dryRun of [true, false]) {
      const fault = await refusal(cluster.create(from(searcher), { dryRun }));
      assert.equal(fault.code, "invalid_config", searcher);
      assert.match(fault.message, message);
      assert.match(fault.hint, hint);
      assert.equal(fault.issues?.[0]?.path, ".searcher.source_checkpoint_uuid");
    }
  for (const [searcher, stepsMin] of [
    ["name: single, max_length: 4", 1],
    ["name: asha, max_length: 81, max_trials: 9, num_rungs: 3", 9 * 6 + 3 * 18 + 54],
    // The program's own clock is no step of a checkpoint.
    ["name: single, max_time: 2, time_metric: s", 2],
  ] as const) {
    const { experiment, plan } = await cluster.create(from(searcher));
    assert.ok(experiment, searcher);
    assert.equal(plan.steps_min, stepsMin, "what was trained before is not in the plan");
  }
  assert.match(
    (
      await refusal(
        cluster.create(from("name: single").replace(/uuid: ./, "uuid: 0"), { dryRun: true }),
      )
    ).message,
    /there is no checkpoint 0/,
  );
});

test("code and data have to be there: missing files, unsafe paths and unknown datasets are named", async () => {
  await using database = await withTestDatabase<Database>();
  const folder = await mkdtemp(join(tmpdir(), "contrail-create-"));
  try {
    const blobs = await openBlobFolder(folder);
    const { pool } = database;
    const cluster = await TestCluster.open({ pool, blobs });
    const submit = (code: wire.Tree, config = CONFIG) =>
      createExperiment(cluster.context, {
        request: { config, code, provenance: {}, activate: true, dry_run: false },
        owner: { userId: 1, name: "ada" },
        idempotencyKey: undefined,
      });
    const stored = await blobs.put(Buffer.from("print(1)"));
    const good = { path: "train.py", size: 8, hash: stored.hash, executable: false };
    const lost = { ...good, path: "lost.py", hash: "f".repeat(64) };
    const missing = await refusal(submit([lost, good]));
    assert.equal(missing.code, "missing_blobs");
    assert.deepEqual(
      missing.issues?.map(({ path, message }) => [path, message]),
      [["lost.py", lost.hash]],
    );
    const unsafe = await refusal(submit([{ ...good, path: "../train.py" }]));
    assert.equal(unsafe.code, "invalid_request");
    assert.equal(unsafe.issues?.[0]?.path, "../train.py");
    const unknown = await refusal(
      submit([good], `${CONFIG}data: {a: digits@2, b: names@latest}\n`),
    );
    assert.equal(unknown.code, "invalid_config");
    assert.deepEqual(
      unknown.issues?.map(({ path }) => path),
      [".data.a", ".data.b"],
    );
    assert.equal(cluster.world.experiments.size, 0);

    const now = new Date(cluster.nowMs);
    const entry = { name: "digits", files: 1, bytes: 1, userId: 1, now };
    for (const snapshot of ["a".repeat(64), "b".repeat(64)]) {
      const kept = { kind: "stored", place: null, statistics: null, content: snapshot } as const;
      await addDataset(pool, { ...entry, ...kept, snapshot });
    }
    await submit([good], `${CONFIG}data: {a: digits@1, b: digits@latest, c: {depth: 3}}\n`);
    const { data } = cluster.live().row;
    assert.deepEqual(data, {
      a: { snapshot: "a".repeat(64), dataset: "digits@1" },
      b: { snapshot: "b".repeat(64), dataset: "digits@2" },
      c: { value: { depth: 3 } },
    });
    // The orders that follow from it are what the wire says they are.
    const orders = ordersFor(
      {
        world: cluster.world,
        launchSettings: toLaunchSettings,
        allocationToken: (id) => `ca_${id}`,
      },
      "local",
      0,
    );
    const reply = wire.ordersReply.parse({ ...orders, all: null });
    assert.deepEqual(reply.orders[0]?.launch?.data.a, { snapshot: "a".repeat(64) });
    assert.equal(reply.orders[0]?.launch?.code, cluster.live().row.code);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("an unnamed experiment gets a name and a seed, and the seed decides its trials", async () => {
  await using opened = await openCluster();
  const { cluster } = opened;
  const seeded = `${CONFIG}reproducibility: {experiment_seed: 42}\n`;
  const names = [];
  for (const config of [seeded, seeded, CONFIG]) {
    const { experiment } = await cluster.create(config);
    names.push(experiment?.name);
  }
  assert.match(names[0] ?? "", /^[a-z]+-[a-z]+-\d{4}$/);
  assert.equal(names[0], names[1]);
  const choices = [1, 2, 3].map((id) =>
    [...cluster.live(id).x.trials.values()].map(({ hyperparameters, seed }) => [
      hyperparameters,
      seed,
    ]),
  );
  assert.deepEqual(choices[0], choices[1]);
  assert.notDeepEqual(choices[0], choices[2]);
});
