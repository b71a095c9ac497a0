/** Points as files over HTTP: which, who may have them, and that a reader that stops holds nothing up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parquetReadObjects } from "hyparquet";
import type { Point } from "../../sdk/points.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

async function trained(server: TestServer, name: string): Promise<number> {
  const { client, runner } = server;
  const { experiment } = await client.createExperiment({
    config: `${RANDOM_CONFIG}labels: [${name}]\n`,
    code: null,
  });
  const id = experiment?.id as number;
  for (const trial of [1, 2]) {
    const allocation = `${id}.${trial}.1`;
    await runner.started(allocation);
    for (let step = 1; step <= 4; step++)
      await runner.report(allocation, step, { loss: trial / step, acc: step === 3 ? "NaN" : step });
    await runner.exited(allocation);
  }
  return id;
}

async function pointsOf(server: TestServer, query: Parameters<TestServer["client"]["points"]>[0]) {
  const points: Point[] = [];
  for await (const some of server.client.points(query)) points.push(...some);
  return points;
}

test("by ids, by filter, by name and step; the other formats have the same points", async () => {
  await using server = await testServer();
  const first = await trained(server, "a");
  const second = await trained(server, "b");
  const all = await pointsOf(server, {});
  assert.equal(all.length, 32);
  assert.deepEqual(
    all.slice(0, 4).map(({ experiment, trial, run, seq, step, name, value, superseded }) => ({
      ...{ experiment, trial, run, seq, step, name, value, superseded },
    })),
    [1, 2, 3, 4].map((step) => ({
      ...{ experiment: first, trial: 1, run: 1, seq: step + 1, step },
      ...{ name: "loss", value: 1 / step, superseded: false },
    })),
  );
  assert.ok(all.some(({ name, value }) => name === "acc" && Number.isNaN(value)));
  const own = (experiment: number, trial?: number): Point[] =>
    all.filter((p) => p.experiment === experiment && (trial ?? p.trial) === p.trial);
  assert.deepEqual(await pointsOf(server, { ids: String(second) }), own(second));
  assert.deepEqual(await pointsOf(server, { ids: `${second}.2,${first}` }), [
    ...own(first),
    ...own(second, 2),
  ]);
  assert.deepEqual(await pointsOf(server, { filter: "label:b" }), own(second));
  assert.deepEqual(await pointsOf(server, { filter: "label:none" }), []);
  assert.deepEqual(
    await pointsOf(server, { names: "acc", from_step: 2, to_step: 3 }),
    all.filter(({ name, step }) => name === "acc" && step >= 2 && step <= 3),
  );
  const answer = await fetch(`${server.url}/api/v1/metrics/export?format=parquet`, {
    headers: { authorization: `Bearer ${server.token}` },
  });
  assert.equal(answer.headers.get("content-type"), "application/vnd.apache.parquet");
  const rows = await parquetReadObjects({ file: await answer.arrayBuffer() });
  assert.deepEqual(
    rows.map((row) => ({
      ...{ ...row, seq: Number(row.seq), step: Number(row.step) },
      time: (row.time as Date).toISOString(),
    })),
    all,
  );
});

test("what cannot be found is said before the first byte", async () => {
  await using server = await testServer();
  const id = await trained(server, "a");
  const refused = async (query: string, status: number, detail: RegExp) => {
    const { status: got, problem } = await server.call("GET", `/api/v1/metrics/export?${query}`);
    assert.equal(got, status, query);
    assert.match(problem.detail, detail);
  };
  await refused("ids=99", 404, /no experiment 99/);
  await refused(`ids=${id}.3`, 404, new RegExp(`no trial ${id}\\.3`));
  await refused("ids=99999999999", 404, /99999999999/);
  await refused(`ids=${id}&filter=label:a`, 400, /both ids and a filter/);
  await refused("filter=stat:x", 400, /the filter cannot be read/);
  await refused("names=lost", 404, /no metric is called "lost"; there is "loss"/);
  await refused("format=xlsx", 400, /format/);
  await refused("ids=1;drop", 400, /ids/);
});

/** Everybody else's are refused by every route; access.proc.test.ts walks them. */
test("a person's token of either scope will do", async () => {
  await using server = await testServer();
  const path = "/api/v1/metrics/export?format=csv";
  const { token } = await server.client.createToken({ name: "r", scope: "read" });
  assert.equal((await server.call("GET", path, { token })).status, 200);
  assert.equal((await server.call("GET", path, { token: null })).status, 401);
});

test("readers that stop are refused company, not waited for", async () => {
  await using server = await testServer();
  const id = await trained(server, "a");
  // Far more than what sockets hold.
  await server.pool.query(
    `insert into metrics select t.id, n.id, s, 1, s, s from trials t, metric_names n, generate_series(10, 300000) s
     where t.experiment_id = $1 and t.number = 1 and n.name = 'loss'`,
    [id],
  );
  await server.pool.query(
    `insert into reports select t.id, 1, s, s, now() from trials t, generate_series(10, 300000) s
     where t.experiment_id = $1 and t.number = 1`,
    [id],
  );
  const stop = new AbortController();
  const idle = await Promise.all(
    Array.from({ length: 4 }, () => server.client.exportMetrics("csv", {}, stop.signal)),
  );
  assert.equal(idle.length, 4);
  await assert.rejects(server.client.exportMetrics("csv"), { code: "unavailable" });
  assert.equal((await server.call("GET", `/api/v1/experiments/${id}`)).status, 200);
  stop.abort();
  for (;;) {
    const { status } = await server.call("GET", "/api/v1/metrics/export?format=csv&names=acc");
    if (status === 200) break;
    assert.equal(status, 503);
  }
});
