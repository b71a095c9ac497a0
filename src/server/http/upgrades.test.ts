import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import Fastify from "fastify";
import { routeUpgrades, shouldUpgradeCallback, takeUpgrade } from "./upgrades.ts";

test("the listener closes while one that was upgraded reads nothing", {
  timeout: 20_000,
}, async () => {
  const app = Fastify({ http: { shouldUpgradeCallback } });
  routeUpgrades(app);
  let upgraded: Socket | undefined;
  app.get("/", async (request, reply) => {
    upgraded = takeUpgrade(request.raw);
    // More than the line holds, and then the end, as of a shell that was cut.
    upgraded?.write(Buffer.alloc(64_000_000));
    upgraded?.end();
    reply.hijack();
  });
  const url = new URL(await app.listen({ port: 0, host: "127.0.0.1" }));
  const peer = connect(Number(url.port), url.hostname);
  try {
    peer.write(
      "GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: contrail-tunnel\r\n\r\n",
    );
    await once(peer, "readable");
    assert.ok(upgraded !== undefined && upgraded.writableLength > 0);
    await app.close();
    assert.ok(upgraded.destroyed);
  } finally {
    peer.destroy();
  }
});
