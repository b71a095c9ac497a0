/** What a viewer of a long log asks for: how much there is, any line of it, a stretch of time, and the bytes as they were. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

interface Line {
  readonly text: string;
  readonly run: number;
  readonly line: number;
  readonly at: string;
}

const CONFIG = RANDOM_CONFIG.replace("max_restarts: 0", "max_restarts: 1");

/** One trial in its second run, of which the first wrote two lines. */
async function twoRuns(server: TestServer): Promise<void> {
  await server.client.createExperiment({ config: CONFIG, code: null });
  for (const id of ["1.1.1", "1.2.1"]) await server.runner.started(id);
  await server.runner.print("1.1.1", "one", Buffer.from([0x74, 0x77, 0xff, 0x6f]));
  await server.runner.exited("1.1.1", 1, { logLines: 2 });
  server.clock.advance(1000);
  const deadline = Date.now() + 60_000;
  for (;;) {
    const { all } = await server.runner.orders();
    if (all?.includes("1.1.2")) break;
    assert.ok(Date.now() < deadline, "the trial was never started again");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await server.runner.started("1.1.2");
  await server.runner.print("1.1.2", "three", "four", "five");
}

const lines = async (server: TestServer, query: string): Promise<Line[]> => {
  const { status, json } = await server.call("GET", `/api/v1/trials/1.1/logs?${query}`);
  assert.equal(status, 200, JSON.stringify(json));
  return (json as { items: Line[] }).items;
};

test("any line is found by its run and number, over the end of a run", async () => {
  await using server = await testServer({ slots: 2 });
  await twoRuns(server);
  const { runs } = await server.client.logExtent("1.1");
  assert.deepEqual(
    runs.map(({ run, lines }) => [run, lines]),
    [
      [1, 2],
      [2, 3],
    ],
  );
  const from = await lines(server, "from=1.2&limit=3");
  assert.deepEqual(
    from.map(({ run, line, text }) => [run, line, text]),
    [
      [1, 2, "tw\ufffdo"],
      [2, 1, "three"],
      [2, 2, "four"],
    ],
  );
  assert.deepEqual(await lines(server, "from=2.99"), []);
  const refused = await server.call("GET", "/api/v1/trials/1.1/logs?from=3.1");
  assert.equal(refused.status, 404);
  assert.match(JSON.stringify(refused.json), /trial 1\.1 has had no run 3/);
  const ofExperiment = await server.call("GET", "/api/v1/experiments/1/logs?from=1.1");
  assert.equal(ofExperiment.status, 400);
  const [first] = await lines(server, "limit=1");
  const [last] = await lines(server, "tail=1");
  assert.ok(first && last);
  const early = await lines(server, `until=${encodeURIComponent(last.at)}`);
  assert.ok(early.every(({ at }) => at < last.at));
  assert.deepEqual((await lines(server, `since=${encodeURIComponent(first.at)}`)).length, 5);
});

test("one run is read by itself, from either end, and followed no longer than it runs", async () => {
  await using server = await testServer({ slots: 2 });
  await twoRuns(server);
  const texts = async (query: string): Promise<string[]> =>
    (await lines(server, query)).map(({ text }) => text);
  assert.deepEqual(await texts("run=1&tail=1"), ["tw\ufffdo"]);
  assert.deepEqual(await texts("run=2&limit=2"), ["three", "four"]);
  assert.deepEqual(await texts("run=1&from=2.1"), []);
  const ofExperiment = await server.call("GET", "/api/v1/experiments/1/logs?run=1");
  assert.equal(ofExperiment.status, 400);
  assert.match(JSON.stringify(ofExperiment.json), /run names a run of a trial/);
  // The trial goes on with its second run; the first has ended.
  const followed: string[] = [];
  for await (const entries of server.client.logStream({ trial: "1.1" }, { run: 1 }))
    followed.push(...entries.map(({ text }) => text));
  assert.deepEqual(followed, ["one", "tw\ufffdo"]);
});

test("the raw download is what the program wrote, byte for byte, by any filter", async () => {
  await using server = await testServer({ slots: 2 });
  await twoRuns(server);
  const get = (query: string): Promise<Response> =>
    fetch(`${server.url}/api/v1/trials/1.1/logs/raw${query}`, {
      headers: { authorization: `Bearer ${server.token}` },
    });
  const whole = await get("");
  assert.equal(whole.headers.get("content-disposition"), 'attachment; filename="trial-1.1.log"');
  assert.equal(whole.headers.get("content-security-policy"), "sandbox");
  const expected = Buffer.concat([
    Buffer.from("one\ntw"),
    Buffer.from([0xff]),
    Buffer.from("o\nthree\nfour\nfive\n"),
  ]);
  assert.deepEqual(Buffer.from(await whole.arrayBuffer()), expected);
  assert.equal(await (await get("?contains=f")).text(), "four\nfive\n");
  assert.equal(await (await get("?run=2")).text(), "three\nfour\nfive\n");
  assert.equal((await get("?cursor=1-1")).status, 400);
  assert.equal((await fetch(`${server.url}/api/v1/trials/1.1/logs/raw`)).status, 401);
});
