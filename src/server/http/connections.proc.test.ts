/** Connections that say nothing, or say it slowly (row L8), against the real server with limits that a test can wait for. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type TestServer, testServer } from "./test-server.ts";

const LIMITS = { connectionsMax: 8, bodyStretchMs: 300, bodyBytesMin: 1000 };

async function open(server: TestServer): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** All that the server says until it closes. */
async function heard(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
  });
  if (!socket.closed) await once(socket, "close");
  return text;
}

const post = (path: string, server: TestServer, length: number): string =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

/** The server closes when it has answered; where we end first, it may close before. */
const lastPost = (path: string, server: TestServer, length: number): string =>
  post(path, server, length).replace("host: x", "host: x\r\nconnection: close");

describe("connections", () => {
  test("beyond the limit the one that was silent for longest makes room for a newcomer", async () => {
    await using server = await testServer({ connectionLimits: LIMITS });
    const crowd: Socket[] = [];
    for (let index = 0; index < 3 * LIMITS.connectionsMax; index++) crowd.push(await open(server));
    const [oldest] = crowd as [Socket];
    if (!oldest.closed) await once(oldest, "close");
    for (let request = 0; request < 20; request++) {
      const { status } = await server.call("GET", "/api/v1/experiments", {
        headers: { connection: "close" },
      });
      assert.equal(status, 200);
    }
    const closed = crowd.filter((socket) => socket.closed).length;
    assert.ok(closed >= 2 * LIMITS.connectionsMax, `${closed} were closed`);
    for (const socket of crowd) socket.destroy();
  });

  test("a request that is under way is not closed for a newcomer's sake", async () => {
    await using server = await testServer({
      connectionLimits: { ...LIMITS, bodyStretchMs: 60_000 },
    });
    const busy = await open(server);
    const answer = heard(busy);
    busy.write(lastPost("/api/v1/experiments", server, 2));
    // The server has read the head: its connection is not among the silent any more.
    await server.call("GET", "/api/v1/experiments");
    const crowd: Socket[] = [];
    for (let index = 0; index < 3 * LIMITS.connectionsMax; index++) crowd.push(await open(server));
    await server.call("GET", "/api/v1/experiments");
    busy.write("{}");
    assert.match(await answer, /^HTTP\/1\.1 400 /);
    for (const socket of crowd) socket.destroy();
  });

  test("a body that drips is answered with 408 and the limit, in JSON and in files", async () => {
    await using server = await testServer({ connectionLimits: LIMITS });
    const hash = "0".repeat(64);
    const file = post(`/api/v1/blobs/${hash}`, server, 100_000)
      .replace("POST", "PUT")
      .replace("application/json", "application/octet-stream");
    for (const head of [post("/api/v1/experiments", server, 100_000), file]) {
      const socket = await open(server);
      const answer = heard(socket);
      socket.write(head);
      const drip = setInterval(() => socket.write("x"), 20);
      const text = await answer;
      clearInterval(drip);
      assert.match(text, /^HTTP\/1\.1 408 /);
      assert.match(text, /"code":"too_slow"/);
      assert.match(text, /bytes of the body came in 0\.3 s; the least is 1000/);
    }
    assert.deepEqual(server.troubles, []);
  });

  test("an answer that came before the body does not keep the connection open for it", async () => {
    await using server = await testServer({ connectionLimits: LIMITS });
    const socket = await open(server);
    const answer = heard(socket);
    socket.write(post("/api/v1/experiments", server, 100_000).replace(/Bearer [^\r]+/, "Bearer x"));
    const drip = setInterval(() => socket.write("x"), 20);
    assert.match(await answer, /^HTTP\/1\.1 401 /);
    clearInterval(drip);
  });

  test("a body that keeps the pace may take many stretches", async () => {
    await using server = await testServer({ connectionLimits: LIMITS });
    const socket = await open(server);
    const answer = heard(socket);
    const body = JSON.stringify({ config: "x".repeat(80_000), code: null, dry_run: true });
    socket.write(lastPost("/api/v1/experiments", server, body.length));
    // More than enough each time, so that one of them makes a stretch, however late this process comes to it.
    for (let at = 0; at < body.length; at += 2000) {
      socket.write(body.slice(at, at + 2000));
      await delay(30);
    }
    assert.match(await answer, /^HTTP\/1\.1 400 /);
  });

  test("a sign-in is short: nobody leaves megabytes there", async () => {
    await using server = await testServer();
    const body = { user: "ada", password: "x".repeat(20_000) };
    const { status } = await server.call("POST", "/api/v1/login", { token: null, body });
    assert.equal(status, 413);
  });
});
