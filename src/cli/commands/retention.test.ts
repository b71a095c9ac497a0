/** `gc`, pins, and acts on experiments that have ended. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cliBench } from "../test-bench.ts";
import { problem, run } from "../test-host.ts";
import { aCheckpoint, anExperiment, HASH } from "../test-things.ts";

const bench = cliBench();

const idle = {
  ...{ state: "idle", requested_by: "ada", requested_at: "2026-11-23T09:00:00.000Z" },
  ...{ started_at: "2026-11-23T09:00:00.000Z", ended_at: "2026-11-23T09:00:05.000Z" },
  ...{ phase: "leftovers", done: 0, total: null, problem: null },
  deleted: { checkpoints: 2, experiments: 1, blobs: 5, bytes: 4096, half_written: 0 },
};
const plan = {
  checkpoints: {
    count: 2,
    items: [
      { id: HASH, trial: "3.2", run: 1, step: 2, bytes: 1200, objective: "NaN", why: "no need" },
    ],
    kept: { trial_best: 3, pinned: 1 },
  },
  experiments: [{ id: 9, deleted_at: "2026-11-01T09:00:00.000Z", deleted_by: "ada" }],
  bytes: { snapshots: 4000, leftovers: 96, total: 4096 },
  blobs: 5,
};
const acted = (over: object = {}) => ({
  items: [{ id: 3, changed: true, experiment: anExperiment(), problem: null, ...over }],
});

test("gc shows and changes nothing; --apply asks, follows, and says what came of it", async () => {
  bench.server.answer("GET /gc", plan);
  const shown = await bench.cli("gc");
  assert.equal(shown.code, 0, shown.err);
  assert.match(shown.out, /3\.2@2 +NaN +1\.2 kB .*no need/);
  assert.match(shown.out, /… and 1 more/);
  assert.match(shown.out, /experiment 9, deleted 2026-11-01 by ada: its time is over/);
  assert.match(
    shown.out,
    /would go: 2 checkpoints, 1 deleted experiment, 96 B of uploads.*; 4\.1 kB in 5 files/,
  );
  assert.match(shown.out, /stay: 3 among the best of their trial; 1 pinned/);
  assert.match(shown.out, /^next: contrail gc --apply$/m);
  assert.ok(bench.server.requests.every(({ method }) => method === "GET"));
  assert.deepEqual(JSON.parse((await bench.cli("gc", "--json")).out), plan);
  await bench.cli("gc", "--experiment", "3");
  assert.equal(bench.server.requests.at(-1)?.query.get("experiment"), "3");

  let looks = 0;
  bench.server.answer("POST /gc/run", { ...idle, state: "running", ended_at: null });
  bench.server.answer("GET /gc/run", (_, response) => {
    looks += 1;
    response.end(JSON.stringify(looks < 3 ? { ...idle, state: "running" } : idle));
  });
  const done = await bench.cli("gc", "--apply");
  assert.equal(done.code, 0, done.err);
  assert.equal(looks, 3);
  assert.match(done.out, /deleted: 2 checkpoints, 1 experiment; 4\.1 kB in 5 files came free/);
  assert.deepEqual(JSON.parse((await bench.cli("gc", "--apply", "--json")).out), idle);
  assert.equal((await bench.cli("gc", "--apply", "--experiment", "3")).code, 2);
  bench.server.answer("GET /gc/run", {
    ...idle,
    state: "running",
    problem: "a list is unreadable",
  });
  const stuck = await bench.cli("gc", "--apply");
  assert.equal(stuck.code, 1);
  assert.match(stuck.err, /a list is unreadable/);
});

test("an experiment is deleted only after its name was typed, or with --yes", async () => {
  bench.server.answer("POST /experiments/delete", acted());
  const sent = () => bench.server.requests.filter(({ method }) => method === "POST").length;
  const mute = await bench.cli("experiment", "delete", "3");
  assert.deepEqual([mute.code, sent()], [2, 0]);
  assert.match(mute.err, /Add --yes/);
  const typing = (answer: string) =>
    run(["experiment", "delete", "3"], {
      url: bench.server.url,
      host: { ask: async () => answer },
    });
  const wrong = await typing("digit");
  assert.deepEqual([wrong.code, sent()], [1, 0]);
  assert.match(wrong.err, /"digit" is not the name of experiment 3/);
  assert.deepEqual([(await typing("digits")).code, sent()], [0, 1]);
  const yes = await bench.cli("experiment", "delete", "3", "--yes");
  assert.match(yes.out, /experiment 3 is deleted/);
  assert.match(yes.out, /^next: contrail experiment restore 3$/m);
});

test("each of several is told, and one that was refused makes the exit code", async () => {
  const refused = { code: "conflict", status: 409, detail: "it runs", hint: "Cancel it first" };
  const items = [
    ...acted({ changed: false }).items,
    { id: 4, changed: false, experiment: null, problem: refused },
  ];
  bench.server.answer("POST /experiments/archive", { items });
  const some = await bench.cli("experiment", "archive", "3", "4");
  assert.equal(some.code, 1);
  assert.match(
    some.out,
    /experiment 3 is archived already\nexperiment 4: it runs\. Cancel it first/,
  );
  bench.server.answer("POST /experiments/restore", acted());
  assert.match((await bench.cli("experiment", "restore", "3")).out, /experiment 3 is there again/);
  await bench.cli("experiment", "list", "--deleted");
  assert.equal(bench.server.requests.at(-1)?.query.get("show"), "deleted");
  assert.equal((await bench.cli("experiment", "list", "--deleted", "--archived")).code, 2);
});

test("checkpoints are pinned by name; what went is shown with its reason, and downloading it says so", async () => {
  const pinned = { id: HASH, pinned: true, experiments: [{ experiment: 3, changed: true }] };
  bench.server.answer(`POST /checkpoints/${HASH}/pin`, pinned);
  const ran = await bench.cli("checkpoint", "pin", "3.2@3");
  assert.equal(ran.code, 0, ran.err);
  assert.match(ran.out, /checkpoint [0-9a-f]{12} of experiment 3 is pinned/);
  const body = bench.server.requests.at(-1)?.body.toString() ?? "";
  assert.deepEqual(JSON.parse(body), { experiment: 3 }, "named by a trial: there alone");

  const deleted = { at: "2026-11-23T09:00:00.000Z", why: "nothing needs it" };
  const items = [aCheckpoint({ pinned: true }), aCheckpoint({ step: 2, deleted })];
  bench.server.answer("GET /experiments/3/checkpoints", { items, next_cursor: null });
  const list = await bench.cli("checkpoint", "list", "3");
  assert.match(list.out, /3\.2@3 .* pinned/);
  assert.match(list.out, /3\.2@2 .* deleted .*: nothing needs it/);
  bench.server.answer(`GET /checkpoints/${HASH}`, (_, response) =>
    problem(response, 410, "deleted", "it was deleted: nothing needs it", { class: "give_up" }),
  );
  const gone = await bench.cli("checkpoint", "download", HASH, "--to", bench.fresh());
  assert.equal(gone.code, 1);
  assert.match(gone.err, /it was deleted: nothing needs it/);
});
