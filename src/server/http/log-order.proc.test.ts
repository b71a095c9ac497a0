import assert from "node:assert/strict";
import { test } from "node:test";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

/** Two trials run side by side, each in its own allocation. */
async function twoTrials(server: TestServer, config = RANDOM_CONFIG): Promise<void> {
  const reply = await server.client.createExperiment({ config, code: null });
  assert.equal(reply.experiment?.id, 1);
  for (const id of ["1.1.1", "1.2.1"]) await server.runner.started(id);
}

const texts = (lines: readonly { trial: string; text: string }[]): string[] =>
  lines.map((line) => `${line.trial} ${line.text}`);

/** Reads everything after a cursor, page by page. */
async function readOn(server: TestServer, path: string, cursor: string | null) {
  const lines: { trial: string; text: string; cursor: string }[] = [];
  for (;;) {
    const more = cursor === null ? "" : `&cursor=${cursor}`;
    const { json } = await server.call("GET", `/api/v1/${path}?limit=2${more}`);
    const { items } = json as { items: typeof lines };
    lines.push(...items);
    const last = items.at(-1);
    if (!last) return { lines, cursor };
    cursor = last.cursor;
  }
}

test("who follows an experiment misses no line, whichever trial writes next", async () => {
  await using server = await testServer({ slots: 2 });
  await twoTrials(server);
  await server.runner.print("1.1.1", "a1");
  await server.runner.print("1.2.1", "b1", "b2");
  const first = await readOn(server, "experiments/1/logs", null);
  // The earlier allocation goes on writing behind the later one.
  await server.runner.print("1.1.1", "a2");
  const second = await readOn(server, "experiments/1/logs", first.cursor);
  await server.runner.print("1.2.1", "b3");
  await server.runner.print("1.1.1", "a3");
  const third = await readOn(server, "experiments/1/logs", second.cursor);
  assert.deepEqual(texts([...first.lines, ...second.lines, ...third.lines]), [
    "1.1 a1",
    "1.2 b1",
    "1.2 b2",
    "1.1 a2",
    "1.2 b3",
    "1.1 a3",
  ]);
});

test("a trial's second run is read after the last line of its first, however late that line comes", async () => {
  await using server = await testServer({ slots: 2 });
  await twoTrials(server, RANDOM_CONFIG.replace("max_restarts: 0", "max_restarts: 1"));
  await server.runner.print("1.1.1", "first run, line 1");
  // It says that it wrote two lines; the second is still in the runner's spool.
  await server.runner.exited("1.1.1", 1, { logLines: 2 });
  server.clock.advance(1000);
  const deadline = Date.now() + 20_000;
  for (;;) {
    const { all } = await server.runner.orders();
    if (all?.includes("1.1.2")) break;
    assert.ok(Date.now() < deadline, "the trial was never started again");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await server.runner.started("1.1.2");
  await server.runner.print("1.1.2", "second run, line 1");
  const before = await readOn(server, "trials/1.1/logs", null);
  assert.deepEqual(texts(before.lines), ["1.1 first run, line 1"]);
  await server.runner.print("1.1.1", "first run, line 2");
  const after = await readOn(server, "trials/1.1/logs", before.cursor);
  assert.deepEqual(texts(after.lines), ["1.1 first run, line 2", "1.1 second run, line 1"]);
});

test("a batch of lines that is sent again is stored once, and a gap is not acknowledged", async () => {
  await using server = await testServer({ slots: 2 });
  await twoTrials(server);
  const send = (seqs: readonly number[]) =>
    server.call("POST", "/api/v1/runners/local/logs", {
      token: server.runner.token,
      body: {
        allocations: [
          {
            id: "1.1.1",
            fence: 1,
            lines: seqs.map((seq) => ({
              seq,
              atMs: 5,
              rank: 0,
              stream: "stdout",
              bytes: Buffer.from(`line ${seq}`).toString("base64"),
              complete: true,
            })),
          },
        ],
      },
    });
  assert.deepEqual((await send([1, 2])).json, { acked: { "1.1.1": 2 } });
  assert.deepEqual((await send([1, 2, 3])).json, { acked: { "1.1.1": 3 } });
  assert.deepEqual((await send([5])).json, { acked: { "1.1.1": 3 } });
  const { lines } = await readOn(server, "trials/1.1/logs", null);
  assert.deepEqual(texts(lines), ["1.1 line 1", "1.1 line 2", "1.1 line 3"]);
});
