/** Much at once from one runner: stored whole and in order, a slice at a time; or refused whole. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SyncReply } from "../../protocol/runner-wire.ts";
import { LARGE_BYTES } from "./huge-reports.ts";
import { type Answer, RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

const report = (seq: number, names: number, width = 1) => ({
  ...{ type: "report", seq, atMs: 0, step: seq },
  metrics: Object.fromEntries(
    Array.from({ length: names }, (_, at) => [`m${String(at).padStart(width, "0")}`, at / 4]),
  ),
});

const sync = (server: TestServer, events: readonly unknown[]) =>
  server.call("POST", "/api/v1/runners/local/sync", {
    token: server.runner.token,
    raw: JSON.stringify({
      ...{ boot: "test", ordersAfter: 0 },
      allocations: [{ id: "1.1.1", fence: 1, events }],
    }),
  });

const ackedBy = (answer: Answer): number | undefined => (answer.json as SyncReply).acked["1.1.1"];

async function stored(
  server: TestServer,
): Promise<[seq: number, reports: number, values: number][]> {
  const { rows } = await server.pool.query<{ seq: string; reports: number; values: number }>(
    `select coalesce(m.seq, r.seq) as seq, coalesce(r.n, 0) as reports, coalesce(m.n, 0) as values
     from (select seq, count(*)::int as n from metrics group by 1) m
     full join (select seq, count(*)::int as n from reports group by 1) r on r.seq = m.seq order by 1`,
  );
  return rows.map(({ seq, reports, values }) => [Number(seq), reports, values]);
}

test("ten thousand metrics in one report, among others, are stored whole, once, and in order", async () => {
  await using server = await testServer();
  await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
  await server.runner.started("1.1.1");
  const events = [report(2, 3), report(3, 10_000), report(4, 3_000), report(5, 2)];
  for (const again of [false, true]) {
    const answer = await sync(server, events);
    assert.equal(answer.status, 200);
    assert.equal(ackedBy(answer), 5);
    assert.deepEqual(
      await stored(server),
      [
        [2, 1, 3],
        [3, 1, 10_000],
        [4, 1, 3_000],
        [5, 1, 2],
      ],
      again ? "heard again" : "heard once",
    );
  }
  assert.equal((await server.client.trial("1.1")).step, 5);
});

test("what comes too early leaves nothing behind, however large", async () => {
  await using server = await testServer();
  await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
  await server.runner.started("1.1.1");
  const answer = await sync(server, [report(4, 9_000)]);
  assert.equal(ackedBy(answer), 1);
  assert.deepEqual(await stored(server), []);
});

test("a large body is taken, or refused whole for one report in it", async () => {
  await using server = await testServer();
  await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
  await server.runner.started("1.1.1");
  const refused = await sync(server, [report(2, 1), report(3, 40_000, 20)]);
  assert.equal(refused.status, 413);
  assert.match(
    refused.problem.detail,
    /report of 1\.1\.1 has more than 10000 metrics; the limit is 10000/,
  );
  assert.deepEqual(await stored(server), []);
  const many = Array.from({ length: 300 }, (_, at) => report(at + 2, 50, 60));
  assert.ok(JSON.stringify(many).length > LARGE_BYTES, "scanned");
  assert.equal(ackedBy(await sync(server, many)), 301);
  assert.equal((await stored(server)).length, 300);
  const broken = await server.call("POST", "/api/v1/runners/local/sync", {
    ...{ token: server.runner.token, raw: `{"boot":"${"x".repeat(LARGE_BYTES)}` },
  });
  assert.equal(broken.status, 400);
});
