import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
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

test("a body that came while the server stood still is read before its sender is judged", {
  timeout: 60_000,
}, async () => {
  const looks: (() => void)[] = [];
  const clock = {
    ...realClock,
    after: (_delayMs: number, look: () => void) => {
      looks.push(look);
      return () => {};
    },
  };
  const server = createServer();
  limitConnections(server, {
    ...{ clock, crowd: newCrowd() },
    limits: { connectionsMax: 2, bodyStretchMs: 1000, bodyBytesMin: 1 },
  });
  try {
    await once(server.listen(0, "127.0.0.1"), "listening");
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1").resume();
    socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n");
    const [request] = (await once(server, "request")) as [IncomingMessage];
    const faults: Error[] = [];
    request.on("error", (fault) => faults.push(fault)).resume();
    // As timers come after a standstill: before anything is read.
    await sleep(1);
    socket.write("x");
    looks.shift()?.();
    while (looks.length === 0 && faults.length === 0) await turn();
    assert.deepEqual(faults, []);
    looks.shift()?.();
    while (looks.length === 0 && faults.length === 0) await turn();
    assert.match(String(faults), /0 bytes of the body came in 1 s; the least is 1/);
    socket.destroy();
  } finally {
    server.close();
  }
});
