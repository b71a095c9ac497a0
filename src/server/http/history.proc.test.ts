/** What an experiment went through, as its charts are given it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RANDOM_CONFIG, testServer } from "./test-server.ts";

describe("an experiment's history", () => {
  test("progress has each improvement, with what was spent by then; what is not finite is none", async () => {
    await using server = await testServer({ slots: 2 });
    const { client, runner } = server;
    const { experiment } = await client.createExperiment({ config: RANDOM_CONFIG, code: null });
    assert.ok(experiment);
    const { id } = experiment;
    const none = await client.experimentProgress(id);
    assert.deepEqual([none.total, none.items], [0, []]);
    const [one, two] = [`${id}.1.1`, `${id}.2.1`];
    await runner.started(one);
    await runner.started(two);
    const report = async (who: string, step: number, loss: number | string): Promise<void> => {
      await runner.tell(who, { type: "report", step, metrics: { loss } } as never);
    };
    await report(one, 1, 0.5);
    await report(two, 1, "-Infinity");
    await report(two, 2, 0.75);
    await report(one, 3, 0.25);
    await report(one, 4, 0.25);
    await report(two, 4, 0.125);
    const reply = await client.experimentProgress(id);
    assert.deepEqual(
      reply.items.map(({ trial, step, objective, steps }) => [trial, step, objective, steps]),
      [
        [`${id}.1`, 1, 0.5, 1],
        [`${id}.1`, 3, 0.25, 5],
        [`${id}.2`, 4, 0.125, 8],
      ],
    );
    assert.equal(reply.metric, "loss");
    // Both slots were held all the time.
    const [first, second] = reply.items;
    assert.ok(first && second);
    const passed = (Date.parse(second.at) - Date.parse(first.at)) / 1000;
    assert.ok(Math.abs(second.slot_seconds - first.slot_seconds - 2 * passed) < 0.01);
    const thinned = await client.experimentProgress(id, { points: 1 });
    assert.deepEqual(thinned.items, reply.items.slice(-1));
    assert.deepEqual([reply.total, thinned.total], [3, 3], "all, however few are shown");
    const two_of_them = await client.experimentProgress(id, { points: 2 });
    assert.deepEqual(two_of_them.items.at(-1), reply.items.at(-1));
    assert.equal(two_of_them.items.length, 2);

    const { items } = await client.experimentAllocations(id);
    assert.deepEqual(
      items.map(({ id: name, trial, ended_at }) => [name, trial, ended_at]),
      [
        [one, `${id}.1`, null],
        [two, `${id}.2`, null],
      ],
    );
    assert.equal(new Set(items.flatMap(({ slots }) => slots)).size, 2);
    const decisions = (await client.experimentDecisions(id)).items;
    assert.ok(decisions.some(({ trial, what }) => trial === `${id}.1` && what === "create"));
    await assert.rejects(client.experimentProgress(999), { status: 404 });
    await assert.rejects(client.experimentAllocations(999), { status: 404 });
    await assert.rejects(client.experimentDecisions(999), { status: 404 });
    await assert.rejects(client.curves(id, { points: 2_000, limit: 1_000 }), { status: 400 });
    assert.equal((await client.curves(id, { points: 400, limit: 1_000 })).items.length, 2);
    // A stretch has its own points, however few the whole curve is thinned to.
    const stretch = await client.curves(id, { points: 2, from_step: 2, to_step: 3 });
    assert.deepEqual(
      stretch.items.map(({ trial, points }) => [trial, points]),
      [
        [`${id}.2`, [[2, 0.75]]],
        [`${id}.1`, [[3, 0.25]]],
      ],
    );
    await assert.rejects(client.curves(id, { from_step: 3, to_step: 2 }), { status: 400 });
  });
});

test("whoever asks what an experiment has done does not count its trials for it", async () => {
  await using server = await testServer();
  await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
  const locked = await server.pool.connect();
  // Whoever reads trials waits for this; none of these is about them.
  await locked.query("begin; lock table trials in access exclusive mode");
  const answers = Promise.all(
    ["logs", "changes", "allocations", "decisions"].map(async (what) => {
      const { status } = await server.call("GET", `/api/v1/experiments/1/${what}`);
      return `${what} ${status}`;
    }),
  );
  const first = await Promise.race([answers, sleep(60_000, ["it waits"], { ref: false })]);
  await locked.query("rollback");
  locked.release();
  await answers;
  assert.deepEqual(first, ["logs 200", "changes 200", "allocations 200", "decisions 200"]);
  for (const what of ["logs", "changes", "allocations", "decisions"])
    assert.equal((await server.call("GET", `/api/v1/experiments/2/${what}`)).status, 404, what);
});
