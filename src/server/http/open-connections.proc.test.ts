/** Streams that have no end of their own: they end with the token by which they were asked for (row S1). */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { test } from "node:test";
import { until } from "../task-proxy/test-task-bench.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

const STREAMS = [
  "/experiments/stream",
  "/experiments/1/stream",
  "/experiments/1/logs/stream",
  "/trials/1.1/logs/stream",
];

/** @returns once its answer has begun: whether it goes on */
async function follow(server: TestServer, path: string, token: string) {
  const headers = { authorization: `Bearer ${token}` };
  const asked = request(`${server.url}/api/v1${path}`, { headers, agent: false });
  asked.end();
  const [answer] = await once(asked, "response");
  assert.equal(answer.statusCode, 200, path);
  // Cut, it has not ended as it should.
  answer.on("error", () => {});
  answer.resume();
  return { goesOn: () => !answer.closed, leave: () => asked.destroy() };
}

test("a stream is cut when the token ends by which it was asked for, and others go on", async () => {
  await using server = await testServer();
  await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
  const ends: Record<string, (made: { id: string; token: string }) => Promise<unknown>> = {
    revoked: ({ id }) => server.client.revokeToken(id),
    expired: ({ id }) =>
      server.pool.query("update tokens set expires_at = created_at where id = $1", [id]),
  };
  const others = await Promise.all(STREAMS.map((path) => follow(server, path, server.token)));
  for (const [how, end] of Object.entries(ends)) {
    const made = await server.client.createToken({ name: how, scope: "read" });
    const streams = await Promise.all(STREAMS.map((path) => follow(server, path, made.token)));
    await end(made);
    await until(`${how}: all are cut`, () => !streams.some(({ goesOn }) => goesOn()));
  }
  assert.ok(others.every(({ goesOn }) => goesOn()));
  for (const { leave } of others) leave();
});
