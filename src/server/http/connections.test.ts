import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { test } from "node:test";
import { realClock } from "../../base/real-clock.ts";
import { limitConnections, newCrowd } from "./connections.ts";

test("listeners that share their descriptors share the bound: who is silent at one makes room at the other", {
  timeout: 20_000,
}, async () => {
  const crowd = newCrowd();
  const limits = { connectionsMax: 2, bodyStretchMs: 1000, bodyBytesMin: 1 };
  const servers = [createServer(), createServer()];
  const opened: Socket[] = [];
  const open = async (at: number): Promise<Socket> => {
    const server = servers[at];
    assert.ok(server);
    const accepted = once(server, "connection");
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1").resume();
    opened.push(socket);
    await accepted;
    return socket;
  };
  try {
    for (const server of servers) {
      limitConnections(server, { clock: realClock, crowd, limits });
      await once(server.listen(0, "127.0.0.1"), "listening");
    }
    const first = await open(0);
    const closed = once(first, "close");
    const second = await open(1);
    await open(1);
    await closed;
    assert.ok(!second.destroyed);
  } finally {
    for (const socket of opened) socket.destroy();
    for (const server of servers) server.close();
  }
});
