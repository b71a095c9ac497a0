/** What a runner says once more, and what it says of an allocation that is another's: neither holds up the rest. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SyncReply } from "../../protocol/runner-wire.ts";
import { CONTENT, CONTENT_HASH, fileAt } from "../../store/test-trees.ts";
import { idleEngine, RANDOM_CONFIG, testServer } from "./test-server.ts";

test("a checkpoint that was heard before is acknowledged without a look at its files", async () => {
  await using server = await testServer();
  await server.client.putBlob(CONTENT_HASH, CONTENT);
  await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
  await server.runner.started("1.1.1");
  const tell = (...paths: string[]) => {
    const tree = paths.map((path) => fileAt(path));
    const event = { type: "checkpoint", seq: 2, atMs: 0, step: 1, tree, metadata: {} };
    return server.runner.sync([{ id: "1.1.1", fence: 1, events: [event] }]);
  };
  // Whether anybody looks shows by a list that nobody may unpack.
  assert.equal((await tell("../up")).status, 400);
  assert.equal((await tell("good")).status, 200);
  const again = await tell("../up");
  assert.equal(again.status, 200, again.text);
  assert.deepEqual((again.json as SyncReply).acked, { "1.1.1": 2 });
  const { items } = await server.client.trialCheckpoints("1.1");
  assert.equal(items.length, 1);
});

test("of another runner's allocation nothing is taken, it is named as gone, and one's own is taken", async () => {
  let token = "";
  const engine = idleEngine(2, (given) => {
    token = given;
  });
  await using server = await testServer({ pools: [{ name: "second", engine }] });
  const { client } = server;
  await client.createExperiment({ config: RANDOM_CONFIG, code: null });
  const config = `${RANDOM_CONFIG}resources: {resource_pool: second}\n`;
  await client.createExperiment({ config, code: null });
  const call = (what: string, more: object) =>
    server.call("POST", `/api/v1/runners/second/${what}`, {
      token,
      body: { boot: "test", ...more },
    });
  const events = [{ type: "started", seq: 1, atMs: 0, pid: 7 }];
  const allocations = ["1.1.1", "2.1.1"].map((id) => ({ id, fence: 1, events }));
  const told = await call("sync", { ordersAfter: 0, allocations });
  assert.equal(told.status, 200, told.text);
  const { acked, gone } = told.json as SyncReply;
  assert.deepEqual([acked, gone], [{ "2.1.1": 1 }, ["1.1.1"]]);
  const line = { seq: 1, atMs: 0, rank: 0, stream: "stdout", complete: true, bytes: "eA==" };
  const logs = ["1.1.1", "2.1.1"].map((id) => ({ id, fence: 1, lines: [line] }));
  assert.deepEqual((await call("logs", { allocations: logs })).json, { acked: { "2.1.1": 1 } });
  assert.equal(
    (await client.trial("1.1")).allocations[0]?.end,
    null,
    "its own runner has it still",
  );
});
