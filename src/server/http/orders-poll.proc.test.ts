/** The runner's held poll: what ends it, and what does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OrdersReply } from "../../protocol/runner-wire.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

async function held(server: TestServer, after: number): Promise<OrdersReply> {
  const path = `/api/v1/runners/local/orders?after=${after}&wait_ms=60000`;
  return (await server.call("GET", path, { token: server.runner.token })).json as OrdersReply;
}

test("a held poll waits for an order; the runner's own word does not end it", async () => {
  await using server = await testServer();
  const { client, runner } = server;
  await client.createExperiment({ config: RANDOM_CONFIG, code: null });
  const { ordersVersion } = await runner.orders();
  const poll = held(server, ordersVersion);
  await runner.started("1.1.1");
  await runner.started("1.2.1");
  // An end concerns the runner and brings no order: an empty answer here would cost the next order a pause.
  await runner.exited("1.1.1");
  await client.changeTrial("1.2", "kill");
  const { orders } = await poll;
  assert.deepEqual(
    orders.map(({ id, kill }) => [id, kill]),
    [["1.2.1", true]],
  );
});

test("a runner that has heard of later orders than there are is told so at once", async () => {
  await using server = await testServer();
  const { ordersVersion } = await server.runner.orders();
  const reply = await held(server, ordersVersion + 1000);
  assert.deepEqual(reply, { orders: [], ordersVersion, all: null, lease: 1 });
});
