/** Replays and their verdicts over HTTP: the test plays the runner, so it decides what comes out. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Verdict } from "../../protocol/api.ts";
import { canonicalTree } from "../../store/snapshot.ts";
import { safetensors } from "../../store/tensors/test-model-files.ts";
import { awaitedTrees, heldBy } from "../../store/verdict-store.ts";
import { type TestServer, testServer } from "./test-server.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const floats = (...values: number[]) => ({
  ...{ dtype: "F32", shape: [values.length] },
  data: new Uint8Array(new Float32Array(values).buffer),
});
/** What a trial of one seed has at a step, unless something is added to one of its numbers. */
const model = (seed: number, step: number, added = 0): Buffer =>
  safetensors({ bias: floats(seed % 7), weights: floats(step, step / 3 + added, seed % 100) });

/** What never becomes so is a failure. */
async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1_200; i++) {
    if (await look()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`it never came to this: ${what}`);
}

const config = (more = "", metric = true) => `
name: repeated
entrypoint: "true"
hyperparameters: {rate: {type: double, minval: 0, maxval: 1}}
searcher: {name: random, ${metric ? "metric: loss, " : "metric: other, "}max_length: {steps: 4}, max_trials: 2}
max_restarts: 0
checkpoint_storage: {save_trial_latest: 10}
${more}`;

describe("a replay", () => {
  let server: TestServer;
  before(async () => {
    server = await testServer({ slots: 8 });
  });
  after(() => server.stop());

  async function save(allocation: string, step: number, files: Record<string, Buffer>) {
    const token = server.runner.token;
    const tree = Object.entries(files).map(([path, bytes]) => ({
      ...{ path, size: bytes.length, hash: sha256(bytes), executable: false },
    }));
    const body = {
      hashes: tree.map(({ hash }) => hash),
      for: { allocation, tree: canonicalTree(tree).hash },
    };
    const { missing } = (await server.call("POST", "/api/v1/blobs/missing", { token, body }))
      .json as { missing: string[] };
    const headers = { "content-type": "application/octet-stream" };
    for (const bytes of Object.values(files))
      if (missing.includes(sha256(bytes)))
        await server.call("PUT", `/api/v1/blobs/${sha256(bytes)}`, {
          ...{ token, headers },
          raw: new Uint8Array(bytes),
        });
    await server.runner.tell(allocation, { type: "checkpoint", step, tree, metadata: {} });
  }

  interface Run {
    readonly steps?: number;
    readonly savesAt?: readonly number[];
    readonly added?: (step: number) => number;
    readonly code?: number;
    readonly report?: boolean;
  }

  /** Trains one allocation from its first step to its last. */
  async function train(allocation: string, run: Run = {}): Promise<void> {
    const { steps = 4, savesAt = [2, 4], added = () => 0, code = 0, report = true } = run;
    const { seed } = await server.client.trial(allocation.split(".").slice(0, 2).join("."));
    await server.runner.started(allocation);
    for (let step = 1; step <= steps; step++) {
      if (report) await server.runner.report(allocation, step, { loss: 1 / step + added(step) });
      if (savesAt.includes(step))
        await save(allocation, step, { "model.safetensors": model(seed, step, added(step)) });
    }
    await server.runner.tell(allocation, { type: "waiting", step: steps });
    await server.runner.exited(allocation, code, { yielded: code === 0 });
  }

  async function trained(run: Run = {}, text = config()): Promise<string> {
    const { experiment } = await server.client.createExperiment({ config: text, code: null });
    assert.ok(experiment);
    await train(`${experiment.id}.1.1`, run);
    await train(`${experiment.id}.2.1`, run);
    return `${experiment.id}.2`;
  }

  async function verdictOf(trial: string, replay: number): Promise<Verdict> {
    for (let i = 0; i < 1_200; i++) {
      const found = (await server.client.verdicts(trial)).find((one) => one.replay === replay);
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(
      `there is no verdict on ${trial} by ${replay}: ${JSON.stringify(server.troubles)}`,
    );
  }

  async function replayed(trial: string, run: Run = {}): Promise<Verdict> {
    const { experiment, reasons } = await server.client.replay(trial);
    assert.ok(experiment, reasons.join("; "));
    await train(`${experiment.id}.1.1`, run);
    return await verdictOf(trial, experiment.id);
  }

  test("has the choice, the seed and the length of its trial, and saves where that saved", async () => {
    const trial = await trained({ savesAt: [1, 3, 4] });
    const { experiment } = await server.client.replay(trial);
    assert.ok(experiment);
    const [before, now] = [
      await server.client.trial(trial),
      await server.client.trial(`${experiment.id}.1`),
    ];
    assert.deepEqual(now.hyperparameters, before.hyperparameters);
    assert.equal(now.seed, before.seed);
    assert.equal(now.target, 4);
    const { orders } = await server.runner.orders();
    const launch = orders.find(({ id }) => id === `${experiment.id}.1.1`)?.launch;
    assert.deepEqual(launch?.checkpointSteps, [1, 3, 4]);
    assert.equal(launch?.seed, before.seed);
    const { ancestry } = await server.client.experiment(experiment.id);
    assert.deepEqual([ancestry?.kind, ancestry?.trial, ancestry?.overrides], ["replay", trial, []]);
    await server.client.changeExperiment(experiment.id, "kill");
    await server.runner.exited(`${experiment.id}.1.1`, 1);
    const { state, text } = await verdictOf(trial, experiment.id);
    assert.equal(state, "not_comparable");
    assert.match(text, /^because the replay ended as canceled/);
  });

  test("that comes out the same is identical, and everybody can see it", async () => {
    const trial = await trained();
    const verdict = await replayed(trial);
    assert.equal(verdict.state, "identical");
    assert.equal(
      verdict.text,
      "2 checkpoints (steps 2 to 4) with 4 tensors and values, bit for bit",
    );
    assert.deepEqual(verdict.detail.compared, { checkpoints: 2, tensors: 4, points: 0 });
    const id = Number(trial.split(".")[0]);
    const shown = {
      state: "identical",
      replay: verdict.replay,
      text: verdict.text,
      at: verdict.at,
    };
    assert.deepEqual((await server.client.trial(trial)).verdict, shown);
    assert.deepEqual((await server.client.trial(`${verdict.replay}.1`)).verdict, shown);
    assert.equal((await server.client.trial(`${id}.1`)).verdict, null);
    assert.deepEqual((await server.client.experiment(id)).verdict, {
      ...{ state: "identical", trials: 1, at: verdict.at },
    });
    const listed = async (filter: string): Promise<number[]> =>
      (await server.client.experiments({ filter, limit: 1000 })).items.map((item) => item.id);
    assert.ok((await listed("verdict:identical")).includes(id));
    assert.ok((await listed("verdict:identical,none")).includes(Number(verdict.replay)));
    for (const filter of ["verdict:none", "verdict:differs", "-verdict:identical"])
      assert.ok(!(await listed(filter)).includes(id), filter);
    const of = async (word: string) =>
      (await server.client.experimentTrials(id, { verdict: word })).items.map((one) => one.id);
    assert.deepEqual(
      [await of("identical"), await of("none"), await of("differs")],
      [[trial], [`${id}.1`], []],
    );
    const { items } = await server.client.audit({ trial, order: "newest" });
    assert.equal(items[0]?.what, "verdict: identical");
    assert.match(items[0]?.cause ?? "", new RegExp(`by replay ${verdict.replay}, asked by ada`));
    const why = await server.client.why("trial", `${verdict.replay}.1`);
    assert.ok(why.reasons.some(({ code, text }) => code === "copied" && text.includes(trial)));
    const own = await server.client.why("trial", trial);
    assert.ok(own.reasons.some(({ code }) => code === "judged"));
    assert.equal((await server.call("GET", "/api/v1/audit/verify")).status, 200);
  });

  test("that comes out differently says from which step, in which tensor, and by how much", async () => {
    const trial = await trained({ savesAt: [1, 2, 3, 4] });
    const { state, text, detail } = await replayed(trial, {
      ...{ savesAt: [1, 2, 3, 4], added: (step) => (step < 3 ? 0 : 0.25) },
    });
    assert.equal(state, "differs");
    assert.equal(
      text,
      "from step 3, tensor weights of model.safetensors, by 0.25 (1 of 3 elements)",
    );
    assert.equal(detail.compared.checkpoints, 3);
    assert.deepEqual(detail.metric, { name: "loss", step: 3 });
  });

  test("of a program that saves nothing is judged by its metrics, and says so", async () => {
    const trial = await trained({ savesAt: [] });
    const same = await replayed(trial, { savesAt: [] });
    assert.deepEqual([same.state, same.detail.by], ["identical", "metrics"]);
    assert.match(same.text, /^by metrics only: 4 points/);
    const other = await replayed(trial, { savesAt: [], added: (step) => (step === 2 ? 0.5 : 0) });
    assert.equal(other.state, "differs");
    assert.equal(other.text, "by metrics only: from step 2, metric loss, by 0.5");
    // The latest is the one that is shown.
    assert.equal((await server.client.trial(trial)).verdict?.state, "differs");
    assert.equal((await server.client.verdicts(trial)).length, 2);
  });

  test("that fails before it has come as far is not comparable, whatever it saved", async () => {
    const trial = await trained();
    const { state, text } = await replayed(trial, { steps: 2, savesAt: [2], code: 1 });
    assert.equal(state, "not_comparable");
    assert.match(text, /^because the replay ended as error at step 2/);
  });

  test("by hashes alone where the content of a checkpoint is gone", async () => {
    const once = config().replace("save_trial_latest: 10", "save_trial_latest: 1");
    const trial = await trained({ savesAt: [1, 4] }, once);
    await until("the content of one is deleted", async () => {
      const { items } = await server.client.trialCheckpoints(trial);
      return items.some(({ deleted }) => deleted !== null);
    });
    const same = await replayed(trial, { savesAt: [1, 4] });
    assert.equal(same.state, "identical");
    assert.equal(same.detail.compared.checkpoints, 2);
    // At the first step nobody can say any more what differs; at the last somebody can.
    const other = await replayed(trial, { savesAt: [1, 4], added: () => 1 });
    assert.match(other.text, /^from step 4, tensor weights/);
    assert.deepEqual(
      other.detail.left_out.map(({ step }) => step),
      [1],
    );
  });

  test("is not begun where it could prove nothing: the reason is the verdict", async () => {
    const trial = await trained();
    const id = Number(trial.split(".")[0]);
    const bytes = Buffer.from("print(1)");
    await server.client.putBlob(sha256(bytes), bytes);
    const code = [{ path: "a.py", size: bytes.length, hash: sha256(bytes), executable: false }];
    const { experiment } = await server.client.createExperiment({ config: config(), code });
    assert.ok(experiment);
    await train(`${experiment.id}.1.1`);
    await train(`${experiment.id}.2.1`);
    const hash = sha256(bytes);
    rmSync(join(server.dataDir, "blobs", hash.slice(0, 2), hash.slice(2)));
    const before = (await server.client.experiments({ limit: 1 })).items[0]?.id;
    const reply = await server.client.replay(`${experiment.id}.1`);
    assert.equal(reply.experiment, null);
    assert.equal(reply.verdict?.state, "not_comparable");
    assert.match(reply.verdict?.text ?? "", /its code .* is not whole: the content of a\.py/);
    assert.equal((await server.client.experiments({ limit: 1 })).items[0]?.id, before);
    assert.equal((await server.client.experiment(experiment.id)).verdict?.state, "not_comparable");
    // Asked only, nothing is written down.
    const asked = await server.client.replay(`${experiment.id}.2`, { dry_run: true });
    assert.equal(asked.reasons.length, 1);
    assert.equal((await server.client.trial(`${experiment.id}.2`)).verdict, null);
    const nothing = await trained({ savesAt: [], report: false, steps: 4 }, config("", false));
    const refused = await server.client.replay(nothing);
    assert.match(refused.verdict?.text ?? "", /saved no checkpoint and reported no metric/);
    assert.ok(id > 0);
  });

  test("and a fork can go on from a checkpoint, which stays for as long as the fork does", async () => {
    const once = config().replace(
      "save_trial_latest: 10",
      "save_trial_latest: 1, save_trial_best: 0",
    );
    const { experiment: parent } = await server.client.createExperiment({
      ...{ config: once, code: null },
    });
    const trial = `${parent?.id}.1`;
    const { seed } = await server.client.trial(trial);
    await server.runner.started(`${trial}.1`);
    await save(`${trial}.1`, 2, { "model.safetensors": model(seed, 2) });
    const early = await server.client.fork({ of: trial, from_checkpoint: 2 });
    const start = `${early.experiment?.id}.1`;
    const { orders } = await server.runner.orders();
    const launch = orders.find(({ id }) => id === `${start}.1`)?.launch;
    const [{ id: tree = "" } = {}] = (await server.client.trialCheckpoints(trial)).items;
    assert.deepEqual(launch?.restore, { step: 2, tree });
    assert.deepEqual(
      early.overrides.map(({ path, to }) => [path, to]),
      [["searcher.source_checkpoint_uuid", tree]],
    );
    // Two steps later another one is the latest, and the parent ends.
    for (const step of [3, 4]) await server.runner.report(`${trial}.1`, step, { loss: 1 });
    await save(`${trial}.1`, 4, { "model.safetensors": model(seed, 4) });
    await server.runner.tell(`${trial}.1`, { type: "waiting", step: 4 });
    await server.runner.exited(`${trial}.1`, 0, { yielded: true });
    await train(`${parent?.id}.2.1`, { savesAt: [4] });
    const kept = async () => {
      const plan = await server.client.gcPlan({ experiment: parent?.id });
      return [plan.checkpoints.kept.source, plan.checkpoints.count] as const;
    };
    assert.deepEqual(await kept(), [1, 0]);
    await server.runner.started(`${start}.1`);
    await server.runner.report(`${start}.1`, 3, { loss: 1 });
    assert.equal((await server.client.trial(start)).step, 3);
    // One that is replayed begins where its trial did.
    await server.runner.report(`${start}.1`, 4, { loss: 1 });
    await save(`${start}.1`, 4, { "model.safetensors": model(seed, 4) });
    await server.runner.tell(`${start}.1`, { type: "waiting", step: 4 });
    await server.runner.exited(`${start}.1`, 0, { yielded: true });
    const again = await server.client.replay(start);
    const orderedNow = (await server.runner.orders()).orders;
    const second = orderedNow.find(({ id }) => id === `${again.experiment?.id}.1.1`)?.launch;
    assert.deepEqual(second?.restore, { step: 2, tree });
    const missing = await server.call("POST", "/api/v1/forks", {
      body: { of: trial, from_checkpoint: 3 },
    });
    assert.equal(missing.status, 404);
    assert.match(missing.problem.detail, /no checkpoint at step 3.*steps 2, 4/);
    await server.client.changeExperiment(again.experiment?.id ?? 0, "kill");
    await server.runner.exited(`${again.experiment?.id}.1.1`, 1);
    // Where its trial ended there is nothing to train, unless the fork is to train further.
    for (const dry of [true, false]) {
      const body = { of: trial, from_checkpoint: "latest", dry_run: dry };
      const { status, problem } = await server.call("POST", "/api/v1/forks", { body });
      assert.deepEqual([status, problem.code], [400, "invalid_config"]);
      assert.match(problem.detail, /a checkpoint of step 4, and .* for step 4 first/);
      assert.match(problem.hint, /max_length above 4/);
    }
    const set = [{ path: "searcher.max_length", value: 6 }];
    const dry = { of: trial, from_checkpoint: "latest", dry_run: true, set } as const;
    assert.equal((await server.client.fork(dry)).overrides.length, 2);
    // What held it is deleted for good, long after retention was done with its experiment.
    const isDone = "select from retained where experiment_id = $1 and at is not null";
    await until("retained", async () => {
      return (await server.pool.query(isDone, [parent?.id])).rows.length > 0;
    });
    const holders = [early.experiment?.id ?? 0, again.experiment?.id ?? 0];
    const sources = () => Promise.all(holders.map((id) => heldBy(server.pool, id)));
    assert.deepEqual((await sources())[0], [parent?.id]);
    // Were it imported, what came along would be left alone.
    await server.pool.query(
      `insert into imports (experiment_id, content, origin, record, by, at, done_at)
       select experiment_id, 'x', '{}', 'none', 'ada', at, at from retained where experiment_id = $1`,
      [parent?.id],
    );
    assert.ok(!(await sources()).flat().includes(parent?.id ?? 0));
    await server.pool.query("delete from imports where experiment_id = $1", [parent?.id]);
    await server.pool.query(
      `insert into experiment_marks (experiment_id, deleted_at, deleted_by, purged_at)
       select id, now(), 'ada', now() from unnest($1::int[]) as id`,
      [holders],
    );
    await server.restart("keep");
    await until("given up", async () => {
      const { items } = await server.client.trialCheckpoints(trial);
      return items.some(({ id, deleted }) => id === tree && deleted !== null);
    });
  });

  test("lets retention go over its experiment again only where that may have kept something for it", async () => {
    const trial = await trained();
    const id = Number(trial.split(".")[0]);
    const retainedAt = async () => {
      const sql = "select at from retained where experiment_id = $1";
      return ((await server.pool.query(sql, [id])).rows[0]?.at as Date | undefined) ?? null;
    };
    await until("retained", async () => (await retainedAt()) !== null);
    const before = await retainedAt();
    await replayed(trial);
    // As an import that put checkpoints beyond it wants.
    assert.deepEqual(await retainedAt(), before);
    const since = new Date(Date.now() + 86_400_000);
    await server.pool.query("update retained set at = $2 where experiment_id = $1", [id, since]);
    await replayed(trial);
    assert.notDeepEqual(await retainedAt(), since);
  });

  test("of a trial that is not over is refused, and so is whoever may not write", async () => {
    const { experiment } = await server.client.createExperiment({ config: config(), code: null });
    const trial = `${experiment?.id}.1`;
    const path = `/api/v1/trials/${trial}/replays`;
    const early = await server.call("POST", path, { body: {} });
    assert.equal(early.status, 409);
    assert.match(early.problem.detail, /is not over/);
    await server.client.changeExperiment(experiment?.id ?? 0, "kill");
    const { token } = await server.client.createToken({ name: "viewer", scope: "read" });
    for (const [who, status] of [
      [token, 403],
      [server.runner.token, 403],
      [null, 401],
    ] as const)
      assert.equal((await server.call("POST", path, { token: who, body: {} })).status, status);
    assert.equal(
      (await server.call("GET", `${path.replace("replays", "verdicts")}`, { token })).status,
      200,
    );
    assert.equal(
      (await server.call("POST", "/api/v1/trials/999.1/replays", { body: {} })).status,
      404,
    );
  });

  test("that ended while the server was away is judged when it is back", async () => {
    const trial = await trained();
    const { experiment } = await server.client.replay(trial);
    assert.ok(experiment);
    await train(`${experiment.id}.1.1`);
    await server.restart("keep");
    const { state } = await verdictOf(trial, experiment.id);
    assert.equal(state, "identical");
    await server.restart("keep");
    assert.equal((await server.client.trial(trial)).verdict?.state, "identical");
    assert.equal((await server.client.trial(`${experiment.id}.1`)).verdict?.state, "identical");
  });

  test("that was deleted for good before it was compared is not comparable, and holds no checkpoints", async () => {
    const trial = await trained();
    const { experiment } = await server.client.replay(trial);
    assert.ok(experiment);
    const held = () => awaitedTrees(server.pool, Number(trial.split(".")[0]));
    assert.equal((await held()).length, 2);
    await server.runner.started(`${experiment.id}.1.1`);
    await server.pool.query(
      `insert into experiment_marks (experiment_id, deleted_at, deleted_by, purged_at)
       values ($1, now(), 'ada', now())`,
      [experiment.id],
    );
    assert.deepEqual(await held(), []);
    await server.runner.exited(`${experiment.id}.1.1`, 1);
    const { state, text } = await verdictOf(trial, experiment.id);
    assert.equal(state, "not_comparable");
    assert.match(text, /the replay was deleted before it was compared/);
  });

  test("whose verdict was committed although nobody could say so has it everywhere", async () => {
    const trial = await trained();
    const [experiment, number] = trial.split(".").map(Number);
    await server.pool.query(
      `insert into verdicts (experiment_id, trial_number, at, replay_id, state, text, detail, asked_by)
       values ($1, $2, now(), null, 'differs', 'from step 2', '{}', 'ada')`,
      [experiment, number],
    );
    const rename = (name: string) =>
      server.client.updateExperiment(Number(experiment), { name }).then(
        () => true,
        () => false,
      );
    await server.pool.query("alter table changes rename to changes_away");
    assert.equal(await rename("in vain"), false, "a commit fails");
    await server.pool.query("alter table changes_away rename to changes");
    assert.equal(await rename("again"), true);
    assert.equal((await server.client.trial(trial)).verdict?.state, "differs");
  });
});

test("two runs side by side: only what is not the same", async () => {
  await using server = await testServer({ slots: 4 });
  const { client, runner } = server;
  const file = async (path: string, text: string) => {
    const bytes = Buffer.from(text);
    await client.putBlob(sha256(bytes), bytes);
    return { path, size: bytes.length, hash: sha256(bytes), executable: false };
  };
  const common = await file("same.py", "x = 1\n");
  const make = async (text: string, train: string) => {
    const code = [common, await file("train.py", train)];
    const { experiment } = await client.createExperiment({ config: text, code });
    return experiment?.id ?? 0;
  };
  const seeded = `${config()}reproducibility: {experiment_seed: 7}\n`;
  const one = await make(seeded, "a\nb\nc\n");
  const two = await make(seeded.replace("max_trials: 2", "max_trials: 3"), "a\nB\nc\n");
  for (const id of [one, two])
    for (let step = 1; step <= 3; step++) {
      await runner.tell(`${id}.1.1`, ...(step === 1 ? [{ type: "started", pid: 1 }] : []), {
        ...{
          type: "report",
          step,
          metrics: { loss: step < 3 ? step : step + id, time: id + step },
        },
      });
    }
  const diff = await client.diff(`${one}.1`, `${two}.1`);
  assert.deepEqual(diff.config, [{ path: "searcher.max_trials", a: 2, b: 3 }]);
  assert.deepEqual([diff.data, diff.trials?.hyperparameters, diff.trials?.seeds], [[], [], []]);
  assert.equal(diff.code.same, 1);
  assert.deepEqual(
    diff.code.files.map(({ path, state, diff: text }) => [path, state, text]),
    [["train.py", "changed", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"]],
  );
  const [loss, time] = diff.trials?.metrics ?? [];
  assert.deepEqual(loss?.first, { step: 3, a: 3 + one, b: 3 + two });
  assert.deepEqual(loss?.best, { a: 1, b: 1 });
  assert.deepEqual([time?.first?.step, time?.best], [1, null]);
  const itself = await client.diff(`${one}.1`, `${one}.1`);
  assert.deepEqual([itself.config, itself.code.files], [[], []]);
  assert.ok(itself.trials?.metrics.every(({ first }) => first === null));
  assert.equal((await client.diff(String(one), String(two))).trials, null);
  assert.equal((await server.call("GET", "/api/v1/diff?a=1.1&b=77")).status, 404);
  assert.equal((await server.call("GET", "/api/v1/diff?a=1.1", {})).status, 400);
  assert.equal(
    (await server.call("GET", "/api/v1/diff?a=1&b=1", { token: runner.token })).status,
    403,
  );
});
