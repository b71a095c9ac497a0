/** Bodies that are too much or not what they say (row I8), and what a refusal looks like. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { ERRORS, type ErrorCode, problem } from "../../protocol/errors.ts";
import { type Answer, RANDOM_CONFIG, testServer } from "./test-server.ts";

const HASH = "0".repeat(64);

describe("bodies", () => {
  test("above the limit are refused before they are read", async () => {
    await using server = await testServer();
    const { hostname: host, port } = new URL(server.url);
    const head = (length: string) =>
      `PUT /api/v1/me/password HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: application/json\r\n${length}\r\n\r\n`;
    // Not one byte of the body is sent.
    const announced = await converse(host, Number(port), [head(`content-length: ${2 ** 40}`)]);
    assert.match(announced, /^HTTP\/1\.1 413 /);
    assert.match(announced, /"code":"too_large"/);
    const chunk = `10000\r\n${" ".repeat(65536)}\r\n`;
    const endless = [
      head("transfer-encoding: chunked"),
      ...Array.from({ length: 64 }, () => chunk),
    ];
    assert.match(await converse(host, Number(port), endless), /^HTTP\/1\.1 413 /);
    for (const length of [
      "content-length: -1",
      "content-length: 5\r\ncontent-length: 6",
      "content-length: x",
    ])
      assert.match(await converse(host, Number(port), [head(length)]), /^HTTP\/1\.1 400 /);
    const both = head("content-length: 5\r\ntransfer-encoding: chunked");
    assert.match(await converse(host, Number(port), [both]), /^HTTP\/1\.1 400 /);
    assert.equal((await server.call("GET", "/api/v1/me")).status, 200);
  });

  test("that are packed, of another type or no JSON are refused", async () => {
    await using server = await testServer();
    const bomb = new Uint8Array(gzipSync(Buffer.alloc(10 * 1024 * 1024, 0x20)));
    for (const encoding of ["gzip", "deflate", "br", "x"]) {
      const answer = await server.call("POST", "/api/v1/tokens", {
        raw: bomb,
        headers: { "content-encoding": encoding },
      });
      assert.equal(answer.status, 400, encoding);
      assert.match(answer.problem.detail, /content-encoding/);
    }
    for (const [type, raw] of [
      ["text/plain", "{}"],
      ["application/xml", "<a/>"],
      ["application/x-www-form-urlencoded", "name=x"],
      ["multipart/form-data; boundary=x", "--x--"],
      ["application/json", "{"],
      ["application/json", ""],
      ["application/json", "\u0000"],
      ["application/json", "[1,2"],
    ] as const) {
      const answer = await server.call("POST", "/api/v1/tokens", {
        raw,
        headers: { "content-type": type },
      });
      assert.equal(answer.status, 400, `${type} ${raw}`);
      assert.equal(answer.problem.code, "invalid_request");
    }
    const deep = `{"config": "", "code": null, "provenance": {"a": ${"[".repeat(50_000)}${"]".repeat(50_000)}}}`;
    const answer = await server.call("POST", "/api/v1/experiments", { raw: deep });
    assert.equal(answer.status, 400);
    assert.match(answer.problem.detail, /provenance: is nested more than 32 levels deep/);
  });
});

describe("bodies that go on", () => {
  test("are not read to their end, and do not stay in memory", async (t) => {
    await using server = await testServer();
    const { hostname: host, port } = new URL(server.url);
    const head = (method: string, path: string, type: string): string =>
      `${method} ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`;
    const chunk = `100000\r\n${" ".repeat(2 ** 20)}\r\n`;
    const wanted = 256;
    const before = process.memoryUsage().rss;
    let taken = 0;
    for (const path of ["/api/v1/tokens", "/api/v1/experiments", "/api/v1/datasets"]) {
      const pieces = {
        *[Symbol.iterator]() {
          yield head("POST", path, "application/json");
          for (let i = 0; i < wanted; i++, taken++) yield chunk;
        },
      };
      assert.match(await converse(host, Number(port), pieces), /^HTTP\/1\.1 413 /, path);
    }
    const grown = (process.memoryUsage().rss - before) / 2 ** 20;
    // 1 MiB is the limit of the first, 64 MiB that of the others; what lies in sockets comes on top.
    assert.ok(taken < wanted, `${taken} MiB were taken of ${3 * wanted}`);
    assert.ok(grown < 512, `${grown} MiB more`);
    assert.equal((await server.call("GET", "/api/v1/me")).status, 200);
    t.diagnostic(
      `I8: 3 bodies without end: 3 × 413 after ${taken} MiB in all (limits 1, 64 and 64 MiB), memory of both sides +${grown.toFixed(0)} MiB`,
    );
  });

  test("from somebody who hears nothing before all of it is sent are answered nevertheless", async () => {
    await using server = await testServer();
    const { hostname: host, port } = new URL(server.url);
    const socket = connect(Number(port), host).pause();
    const failed = new Promise<Error>((_resolve, reject) => socket.once("error", reject));
    const sent = (async () => {
      await once(socket, "connect");
      socket.write(
        `POST /api/v1/tokens HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: application/json\r\ncontent-length: ${2 ** 20 + 1}\r\n\r\n`,
      );
      // Refused by now, and still in the middle of sending.
      for (let i = 0; i < 16; i++) {
        await new Promise((done) => socket.write(" ".repeat(2 ** 16), done));
        await sleep(10);
      }
      let answer = "";
      for await (const text of socket.setEncoding("utf8")) answer += text;
      return answer;
    })();
    assert.match(String(await Promise.race([sent, failed])), /^HTTP\/1\.1 413 .*"too_large"/s);
  });

  test("as a blob are stored as they come, or not at all when they break off or lie about their length", async (t) => {
    await using server = await testServer();
    const { hostname: host, port } = new URL(server.url);
    const head = (length: number): string =>
      `PUT /api/v1/blobs/${HASH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: application/octet-stream\r\ncontent-length: ${length}\r\n\r\n`;
    // Less than announced: the connection ends before the body does.
    await new Promise<void>((done) => {
      const socket = connect(Number(port), host, () => {
        socket.write(`${head(2 ** 20)}only this`, () => socket.destroy());
      });
      socket.once("close", () => done());
    });
    // More than announced: what comes after is no part of the body.
    const answer = await converse(host, Number(port), [`${head(4)}0123456789`]);
    assert.match(answer, /^HTTP\/1\.1 [45]\d\d /);
    assert.deepEqual(await server.client.missingBlobs([HASH]), [HASH]);
    const chunk = Buffer.alloc(2 ** 20, 7);
    const mebibytes = 256;
    const hash = createHash("sha256");
    for (let i = 0; i < mebibytes; i++) hash.update(chunk);
    const name = hash.digest("hex");
    let sent = 0;
    let peak = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        peak = Math.max(peak, process.memoryUsage().rss);
        if (sent++ < mebibytes) controller.enqueue(chunk);
        else controller.close();
      },
    });
    const before = process.memoryUsage().rss;
    const put = await fetch(`${server.url}/api/v1/blobs/${name}`, {
      ...{ method: "PUT", body, duplex: "half" },
      headers: {
        authorization: `Bearer ${server.token}`,
        "content-type": "application/octet-stream",
      },
    } as RequestInit);
    assert.equal(put.status, 200);
    const grown = Math.max(0, peak - before) / 2 ** 20;
    assert.ok(grown < mebibytes, `${grown} MiB more`);
    t.diagnostic(
      `I8: a blob of ${mebibytes} MiB passes through with memory of both sides +${grown.toFixed(0)} MiB`,
    );
  });

  test("one byte at a time keep nobody else waiting", async () => {
    await using server = await testServer();
    const { hostname: host, port } = new URL(server.url);
    const sockets = Array.from({ length: 50 }, () => connect(Number(port), host));
    for (const socket of sockets) {
      socket.on("error", () => undefined);
      socket.write(
        `POST /api/v1/tokens HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{`,
      );
    }
    for (let i = 0; i < 20; i++) assert.equal((await server.call("GET", "/api/v1/me")).status, 200);
    for (const socket of sockets) socket.destroy();
    assert.deepEqual((await server.client.tokens()).items.length, 1);
  });
});

test("every refusal that can be brought about is a problem with its own code and next step", async () => {
  await using server = await testServer();
  const { call } = server;
  await server.client.createExperiment({ config: RANDOM_CONFIG, code: null }, "key");
  await server.client.createExperiment({ config: RANDOM_CONFIG, code: null, activate: false });
  await server.client.changeExperiment(2, "cancel");
  const viewer = await server.client.createToken({ name: "viewer", scope: "read" });
  const experiments = "/api/v1/experiments";
  const entry = { path: "a", size: 1, hash: HASH, executable: false };
  const post = (body: unknown, headers = {}) => call("POST", experiments, { body, headers });
  const made: Partial<Record<ErrorCode, Answer>> = {
    invalid_request: await call("GET", `${experiments}?limit=0`),
    invalid_config: await post({ config: "nme: x\nsearcher: {name: rndom}", code: null }),
    not_authenticated: await call("GET", experiments, { token: null }),
    not_allowed: await call("POST", `${experiments}/1/pause`, { token: viewer.token, body: {} }),
    not_found: await call("GET", "/api/v1/trials/77.7"),
    conflict: await call("POST", `${experiments}/2/pause`, { body: {} }),
    idempotency_mismatch: await post(
      { config: RANDOM_CONFIG, code: null, activate: false },
      { "idempotency-key": "key" },
    ),
    missing_blobs: await post({ config: RANDOM_CONFIG, code: [entry] }),
    too_large: await call("POST", "/api/v1/tokens", { raw: `{"name": "${"x".repeat(2 ** 20)}"}` }),
    slots_unavailable: await post({
      config: `${RANDOM_CONFIG}resources: {slots_per_trial: 3}\n`,
      code: null,
    }),
    hash_mismatch: await call("PUT", `/api/v1/blobs/${HASH}`, {
      raw: "something else",
      headers: { "content-type": "application/octet-stream" },
    }),
  };
  for (const [code, answer] of Object.entries(made)) {
    const shape = problem.strict().safeParse(answer.json);
    assert.ok(shape.success, `${code}: ${answer.text}`);
    const { status, title, class: what } = ERRORS[code as ErrorCode];
    assert.deepEqual(
      [answer.status, shape.data.status, shape.data.code, shape.data.title, shape.data.class],
      [status, status, code, title, what],
      answer.text,
    );
    assert.equal(shape.data.type, `urn:contrail:error:${code}`);
    assert.ok(shape.data.detail.length > 10 && shape.data.hint.length > 10, answer.text);
    assert.equal(answer.headers.get("content-type"), "application/problem+json; charset=utf-8");
  }
  const config = made.invalid_config?.problem.issues ?? [];
  assert.ok(config.length >= 2 && config.every(({ line, column }) => line && column));
  assert.equal(config.find(({ path }) => path === ".nme")?.suggestion, "name");
});

/** Writes the pieces for as long as the other side takes them. @returns what came back */
function converse(host: string, port: number, pieces: Iterable<string>): Promise<string> {
  const iterator = pieces[Symbol.iterator]();
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answer += text;
      if (/\r\n\r\n.*\}$/s.test(answer)) socket.destroy();
    });
    socket.once("error", (error) => (answer === "" ? reject(error) : resolve(answer)));
    socket.once("close", () => resolve(answer));
    const next = (): void => {
      if (!socket.writable) return;
      const piece = iterator.next();
      if (!piece.done) socket.write(piece.value, next);
    };
    socket.once("connect", next);
  });
}
