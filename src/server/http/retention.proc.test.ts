/** What stays and what goes, over HTTP, on a real database and a real folder of blobs. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Checkpoint } from "../../protocol/api.ts";
import type { RemoteError } from "../../sdk/remote-error.ts";
import { canonicalTree } from "../../store/snapshot.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

const DAY_MS = 24 * 3600 * 1000;
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

const treeOf = (files: Readonly<Record<string, string>>) =>
  Object.entries(files).map(([path, text]) => ({
    ...{ path, size: text.length, hash: sha256(text), executable: false },
  }));

/** Until it is so; what never becomes so is a failure. */
async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  for (let i = 0; i < 600; i++) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it never came to this: ${what}`);
}

describe("retention", () => {
  let server: TestServer;
  before(async () => {
    server = await testServer({ slots: 8 });
  });
  after(() => server.stop());

  const isStored = (hash: string): boolean =>
    existsSync(join(server.dataDir, "blobs", hash.slice(0, 2), hash.slice(2)));

  /** A runner's way: ask for a checkpoint, send what is lacking, tell. */
  async function save(
    allocation: string,
    step: number,
    files: Readonly<Record<string, string>>,
  ): Promise<void> {
    await ask(allocation, files);
    const tree = treeOf(files);
    await server.runner.tell(allocation, { type: "checkpoint", step, tree, metadata: {} });
  }

  async function ask(
    allocation: string,
    files: Readonly<Record<string, string>>,
  ): Promise<string[]> {
    const token = server.runner.token;
    const texts = new Map(Object.values(files).map((text) => [sha256(text), text]));
    const body = {
      hashes: [...texts.keys()],
      for: { allocation, tree: canonicalTree(treeOf(files)).hash },
    };
    const answer = await server.call("POST", "/api/v1/blobs/missing", { token, body });
    assert.equal(answer.status, 200, answer.text);
    const { missing } = answer.json as { missing: string[] };
    for (const hash of missing) {
      const raw = new Uint8Array(Buffer.from(texts.get(hash) ?? ""));
      const headers = { "content-type": "application/octet-stream" };
      await server.call("PUT", `/api/v1/blobs/${hash}`, { token, raw, headers });
    }
    return missing;
  }

  async function submit(more = ""): Promise<{ id: number; one: string }> {
    const config = RANDOM_CONFIG.replace("max_trials: 2", "max_trials: 1");
    const { experiment } = await server.client.createExperiment({
      config: config + more,
      code: null,
    });
    assert.ok(experiment);
    const one = `${experiment.id}.1.1`;
    await server.runner.started(one);
    return { id: experiment.id, one };
  }

  const saved = async (id: number): Promise<Checkpoint[]> =>
    (await server.client.experimentCheckpoints(id, { limit: 1000 })).items;
  const steps = async (id: number): Promise<number[]> =>
    (await saved(id)).filter(({ deleted }) => deleted === null).map(({ step }) => step);
  const stepsAre = (id: number, wanted: readonly number[]) =>
    until(
      `the checkpoints of ${id} are ${wanted}`,
      async () => JSON.stringify(await steps(id)) === JSON.stringify(wanted),
    );
  const refused = async (work: Promise<unknown>): Promise<RemoteError> =>
    work.then(
      () => assert.fail("it was not refused"),
      (error: RemoteError) => error,
    );
  const finish = async (one: string): Promise<void> => {
    await server.runner.tell(one, { type: "waiting", step: 4 });
    await server.runner.exited(one, 0, { yielded: true });
  };
  const wholeRun = async () => {
    await server.client.startGc();
    return until("the run is over", async () => {
      const run = await server.client.gcRun();
      assert.equal(run.problem, null);
      return run.state === "idle" && run;
    });
  };

  test("while a trial runs, what nothing can need any more goes, and is still known", async () => {
    const { id, one } = await submit();
    for (const [step, loss] of [
      [1, 0.2],
      [2, 0.5],
      [3, 0.4],
    ] as const) {
      await server.runner.report(one, step, { loss });
      await save(one, step, { shared: "frozen", own: `weights ${id} ${step}` });
    }
    await stepsAre(id, [3, 1]);
    const gone = (await saved(id)).find(({ step }) => step === 2);
    assert.match(gone?.deleted?.why ?? "", /nothing needs it.*its objective is 0.5/);
    await until("its own file is gone", async () => !isStored(sha256(`weights ${id} 2`)));
    for (const text of ["frozen", `weights ${id} 1`, `weights ${id} 3`])
      assert.ok(isStored(sha256(text)), text);
    const error = await refused(server.client.checkpoint(gone?.id ?? ""));
    assert.deepEqual([error.status, error.code], [410, "deleted"]);
    assert.match(error.message, /trial \d+\.1 at step 2\) was deleted at/);
    const { items } = await server.client.audit({
      experiment: id,
      what: "checkpoint at step 2 del",
    });
    assert.deepEqual(
      items.map(({ actor, subject }) => [actor, subject]),
      [["retention", `trial ${id}.1`]],
    );
    await server.runner.report(one, 4, { loss: 0.9 });
    await save(one, 4, { shared: "frozen", own: `weights ${id} 4` });
    await finish(one);
    await stepsAre(id, [4, 1]);
  });

  test("a policy of nothing keeps what a trial goes on from, and lets it go at the end", async () => {
    const none = "checkpoint_storage: {save_trial_best: 0, save_trial_latest: 0}\n";
    const { id, one } = await submit(none);
    await server.runner.report(one, 1, { loss: 0.2 });
    await save(one, 1, { own: `none ${id} 1` });
    await server.client.changeTrial(`${id}.1`, "pause");
    await server.runner.exited(one, 0, { yielded: true });
    assert.equal((await wholeRun()).state, "idle");
    assert.deepEqual(await steps(id), [1], "a paused trial goes on from it");
    await server.client.changeTrial(`${id}.1`, "activate");
    const two = `${id}.1.2`;
    await server.runner.started(two);
    await server.runner.report(two, 2, { loss: 0.2 });
    await save(two, 2, { own: `none ${id} 2` });
    await wholeRun();
    assert.deepEqual(await steps(id), [2, 1], "the running allocation was started from step 1");
    await server.runner.report(two, 4, { loss: 0.1 });
    await finish(two);
    await stepsAre(id, []);
    await until("their files are gone", async () => !isStored(sha256(`none ${id} 2`)));
  });

  test("what is pinned stays; unpinned it goes with the rest", async () => {
    const { id, one } = await submit();
    await server.runner.report(one, 1, { loss: 0.9 });
    await save(one, 1, { own: `pins ${id} 1` });
    const [first] = await saved(id);
    assert.ok(first);
    const reply = await server.client.pinCheckpoint(first.id, true);
    assert.deepEqual(reply.experiments, [{ experiment: id, changed: true }]);
    const again = await server.client.pinCheckpoint(first.id, true);
    assert.deepEqual(again.experiments, [{ experiment: id, changed: false }]);
    for (const step of [2, 3, 4]) {
      await server.runner.report(one, step, { loss: 1 / step });
      await save(one, step, { own: `pins ${id} ${step}` });
    }
    await finish(one);
    await stepsAre(id, [4, 1]);
    assert.deepEqual(
      (await saved(id)).filter(({ pinned }) => pinned).map(({ step }) => step),
      [1],
    );
    const [item] = (await server.client.actOnExperiments("delete", [id])).items;
    assert.equal(item?.problem?.code, "conflict");
    assert.match(item?.problem?.detail ?? "", /while checkpoints of it are pinned, and one is/);
    await server.client.pinCheckpoint(first.id, false);
    await stepsAre(id, [4]);
    const error = await refused(server.client.pinCheckpoint(first.id, true));
    assert.equal(error.code, "deleted");
    assert.equal((await refused(server.client.pinCheckpoint("0".repeat(64), true))).status, 404);
  });

  test("a plan changes nothing and says what a run then does; a second run finds nothing", async () => {
    const { id, one } = await submit("checkpoint_storage: {save_trial_latest: 100}\n");
    for (const step of [1, 2, 3]) {
      await server.runner.report(one, step, { loss: 1 / step });
      await save(one, step, { shared: `plan ${id}`, own: `plan ${id} ${step}` });
    }
    await wholeRun();
    // As if it had been submitted with another policy: nothing else can make a run find much at once.
    await server.pool.query(
      `update experiments set config = jsonb_set(config, '{checkpoint_storage,save_trial_latest}', '1') where id = $1`,
      [id],
    );
    const plan = await server.client.gcPlan({ experiment: id });
    assert.deepEqual(
      plan.checkpoints.items.map(({ trial, step }) => [trial, step]),
      [
        [`${id}.1`, 1],
        [`${id}.1`, 2],
      ],
    );
    assert.deepEqual(plan.checkpoints.kept, {
      trial_not_over: 1,
      trial_best: 1,
      trial_latest: 1,
    });
    assert.deepEqual(await steps(id), [3, 2, 1], "nothing was deleted yet");
    const run = await wholeRun();
    assert.deepEqual([run.deleted.checkpoints, run.deleted.bytes], [2, plan.bytes.total]);
    assert.deepEqual(await steps(id), [3]);
    assert.ok(isStored(sha256(`plan ${id}`)), "shared with the one that stays");
    const second = await wholeRun();
    const { checkpoints, blobs } = second.deleted;
    assert.deepEqual({ checkpoints, blobs }, { checkpoints: 0, blobs: 0 });
    const { items } = await server.client.audit({ what: "gc", order: "newest", limit: 2 });
    assert.deepEqual(
      items.map(({ actor, what }) => `${actor}: ${what}`),
      ["contrail: gc done", "ada: gc asked"],
    );
  });

  test("an upload under way is safe: who was told that a blob is here finds it here", async () => {
    const { id, one } = await submit();
    await server.runner.report(one, 1, { loss: 0.9 });
    await save(one, 1, { own: `race ${id}` });
    const { id: other, one: another } = await submit();
    await server.runner.report(another, 1, { loss: 0.1 });
    assert.deepEqual(await ask(another, { own: `race ${id}` }), [], "told that it is here");
    for (const step of [2, 3, 4]) {
      await server.runner.report(one, step, { loss: 1 / step });
      await save(one, step, { own: `race ${id} ${step}` });
    }
    await stepsAre(id, [4]);
    await wholeRun();
    server.clock.advance(3 * DAY_MS);
    await wholeRun();
    assert.ok(isStored(sha256(`race ${id}`)), "under lease as long as the allocation lives");
    const tree = [{ path: "own", size: 9, hash: sha256(`race ${id}`), executable: false }];
    await server.runner.tell(another, { type: "checkpoint", step: 1, tree, metadata: {} });
    assert.deepEqual(await steps(other), [1]);
    await finish(one);
    // Half of a checkpoint, and then its allocation ends.
    await ask(another, { own: `half ${other}` });
    await wholeRun();
    assert.ok(isStored(sha256(`half ${other}`)));
    await server.runner.report(another, 4, { loss: 0.1 });
    await finish(another);
    await wholeRun();
    assert.ok(!isStored(sha256(`half ${other}`)), "what was half sent is gone after one run");
    assert.ok(isStored(sha256(`race ${id}`)));
  });

  test("a checkpoint that is told of when its files are not there does not exist", async () => {
    const { id, one } = await submit();
    await server.runner.report(one, 1, { loss: 0.5 });
    const tree = [{ path: "own", size: 4, hash: sha256(`never ${id}`), executable: false }];
    await server.runner.tell(one, { type: "checkpoint", step: 1, tree, metadata: {} });
    assert.deepEqual(await saved(id), []);
    assert.equal((await server.client.trial(`${id}.1`)).checkpoint, null);
    const { items } = await server.client.audit({
      experiment: id,
      what: "checkpoint at step 1 lost",
    });
    assert.equal(items.length, 1);
    await server.client.changeExperiment(id, "kill");
    await server.runner.exited(one, 0, { signalsSent: ["SIGTERM"] });
  });

  test("an experiment is deleted, restored, deleted again, and after 7 days purged", async () => {
    const { id, one } = await submit();
    const running = await server.client.actOnExperiments("delete", [id, 999_999, id]);
    assert.deepEqual(
      running.items.map(({ changed, problem }) => [changed, problem?.code]),
      [
        [false, "conflict"],
        [false, "not_found"],
        [false, "conflict"],
      ],
    );
    assert.match(running.items[0]?.problem?.hint ?? "", /cancel \d+, or kill/);
    await server.runner.report(one, 1, { loss: 0.5 });
    await save(one, 1, { own: `purged ${id}` });
    await server.runner.print(one, "a line");
    await server.client.changeExperiment(id, "kill");
    await server.runner.exited(one, 0, { signalsSent: ["SIGTERM"] });
    const listed = async (show?: "archived" | "deleted") =>
      (await server.client.experiments({ show, limit: 1000 })).items.some((e) => e.id === id);

    await server.client.actOnExperiments("archive", [id]);
    assert.deepEqual([await listed(), await listed("archived")], [false, true]);
    await server.client.actOnExperiments("unarchive", [id]);
    const deleted = await server.client.actOnExperiments("delete", [id]);
    assert.equal(deleted.items[0]?.experiment?.deleted?.by, "ada");
    assert.deepEqual([await listed(), await listed("deleted")], [false, true]);
    const twice = await server.client.actOnExperiments("delete", [id]);
    assert.deepEqual([twice.items[0]?.changed, twice.items[0]?.problem], [false, null]);
    const [checkpoint] = await saved(id);
    assert.equal(
      (await refused(server.client.pinCheckpoint(checkpoint?.id ?? "", true))).code,
      "conflict",
    );
    server.clock.advance(6 * DAY_MS);
    await wholeRun();
    await server.client.actOnExperiments("restore", [id]);
    assert.deepEqual([await listed(), await listed("deleted")], [true, false]);
    assert.deepEqual(await steps(id), [1], "all of it is there again");

    await server.client.actOnExperiments("delete", [id]);
    server.clock.advance(8 * DAY_MS);
    const stepped = await server.client.gcPlan({ experiment: id });
    assert.deepEqual(
      stepped.experiments,
      [],
      "a clock that is set forward is no time that has passed",
    );
    await wholeRun();
    assert.equal(await listed("deleted"), true);
    server.clock.advance(-8 * DAY_MS);
    // It was deleted before this start, and long enough ago.
    await server.pool.query(
      "update experiment_marks set deleted_at = deleted_at - interval '7 days' where experiment_id = $1",
      [id],
    );
    await server.restart("keep");
    // Long enough for two looks of the keeper.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    assert.equal(await listed("deleted"), true, "nothing is purged in the first hour");
    const plan = await server.client.gcPlan({ experiment: id });
    assert.deepEqual(
      plan.experiments.map((e) => e.id),
      [id],
    );
    assert.ok(plan.bytes.total > 0);
    const run = await wholeRun();
    assert.ok(run.deleted.experiments >= 1);
    assert.ok(!isStored(sha256(`purged ${id}`)));
    const { rows } = await server.pool.query(
      `select (select count(*) from metrics m join trials t on t.id = m.trial_id where t.experiment_id = $1)::int as metrics,
         (select count(*) from logs where experiment_id = $1)::int as logs,
         (select count(*) from checkpoints c join trials t on t.id = c.trial_id where t.experiment_id = $1)::int as checkpoints`,
      [id],
    );
    assert.deepEqual(rows, [{ metrics: 0, logs: 0, checkpoints: 0 }]);
    assert.deepEqual([await listed(), await listed("deleted")], [false, false]);
    for (const read of [
      () => server.client.experiment(id),
      () => server.client.trial(`${id}.1`),
      () => server.client.experimentLogs(id),
    ])
      assert.equal((await refused(read())).status, 410);
    const restored = await server.client.actOnExperiments("restore", [id]);
    assert.equal(restored.items[0]?.problem?.code, "deleted");
    const { items } = await server.client.audit({ experiment: id, order: "oldest", limit: 1000 });
    const acts = items.filter(({ subject }) => subject === `experiment ${id}`).map((i) => i.what);
    assert.deepEqual(acts.slice(-7), [
      ...["archived", "unarchived", "deleted", "restored", "deleted", "purged", "emptied"],
    ]);
    assert.equal((await server.client.auditVerify({ limit: 100_000 })).ok, true);
  });

  test("experiments from before there was a policy keep everything", async () => {
    const { id, one } = await submit();
    await server.pool.query(
      "update experiments set config = config - 'checkpoint_storage' where id = $1",
      [id],
    );
    for (const step of [1, 2, 3]) {
      await server.runner.report(one, step, { loss: step });
      await save(one, step, { own: `old ${id} ${step}` });
    }
    await wholeRun();
    assert.deepEqual(await steps(id), [3, 2, 1]);
  });

  test("where the list of files of a snapshot in use cannot be read, nothing is deleted", async () => {
    await using other = await testServer();
    const { blobs } = { blobs: join(other.dataDir, "blobs") };
    const hash = sha256("orphan");
    await other.client.putBlob(hash, "orphan");
    other.clock.advance(2 * DAY_MS);
    await other.pool.query(
      `insert into datasets (name, version, snapshot, content, files, bytes, created_by, created_at)
       values ('lost', 1, $1, $1, 1, 1, 1, now())`,
      ["d".repeat(64)],
    );
    const error = await refused(other.client.gcPlan());
    assert.equal(error.code, "conflict");
    assert.match(error.message, /the list of files of snapshot dddd.* cannot be read/);
    await other.client.startGc();
    const run = await until("it says so", async () => {
      const status = await other.client.gcRun();
      return status.problem !== null && status;
    });
    assert.match(run.problem ?? "", /nobody knows which blobs are in use/);
    assert.ok(existsSync(join(blobs, hash.slice(0, 2), hash.slice(2))));
    await other.pool.query("delete from datasets");
    await until("it goes on by itself", async () => (await other.client.gcRun()).state === "idle");
    assert.ok(!existsSync(join(blobs, hash.slice(0, 2), hash.slice(2))));
  });
});
