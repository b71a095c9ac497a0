/** Requests with bad intent, or with none at all (rows I3, I5, I6, I7, I8), and what a refusal looks like. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { ERRORS, type ErrorCode, problem } from "../../protocol/errors.ts";
import { declaredApp } from "./openapi.ts";
import { type Answer, RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

const HASH = "0".repeat(64);
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Sends the path as it is; fetch would tidy it up first. */
function rawGet(server: TestServer, path: string): Promise<{ status: number; body: string }> {
  const { hostname: host, port } = new URL(server.url);
  const headers = { authorization: `Bearer ${server.token}` };
  return new Promise((resolve, reject) => {
    httpRequest({ host, port, path, headers }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    })
      .on("error", reject)
      .end();
  });
}

describe("paths that lead elsewhere", () => {
  const traversals = [
    ..."../secret|..%2fsecret|..%2Fsecret|%2e%2e%2fsecret|..%252fsecret|%252e%252e%252fsecret".split(
      "|",
    ),
    ..."..\\secret|..%5csecret|%2e%2e%5csecret|..%c0%afsecret|%c0%ae%c0%ae/secret|..%00/secret".split(
      "|",
    ),
    ..."/etc/passwd|%2fetc%2fpasswd|file:///etc/passwd|....//secret|..;/secret|.%2e/secret".split(
      "|",
    ),
    ..."../../../../../../../../etc/passwd|..%2f..%2f..%2f..%2fetc%2fpasswd|~root|C:\\x".split("|"),
    ..."%00|%0a|%0d%0aset-cookie:%20a=b|.|..|%2e|%2e%2e".split("|"),
  ];

  test("give 400 or 404 on every route with a parameter, and never a byte from outside", async () => {
    await using server = await testServer();
    const planted = "planted-canary-7f3a";
    await writeFile(join(server.dataDir, "secret.txt"), planted);
    const app = await declaredApp("0");
    const routes = app.routeTable.filter(
      ({ method, url }) => method === "GET" && url.includes(":"),
    );
    await app.close();
    assert.ok(routes.length > 15);
    for (const { url, access } of routes) {
      if (access.includes("runner")) continue;
      for (const bad of traversals) {
        const path = url.replace(/:[a-z]+/g, (name) => (name === ":kind" ? "trial" : bad));
        const { status, body } = await rawGet(server, path);
        assert.ok(status === 400 || status === 404, `${path}: ${status} ${body.slice(0, 200)}`);
        assert.ok(!body.includes(planted) && !body.includes("root:"), path);
      }
    }
  });

  test("a symbolic link in the store is not followed, read or written", async () => {
    await using server = await testServer();
    const hash = sha256("not this");
    const folder = join(server.dataDir, "blobs", hash.slice(0, 2));
    await mkdir(folder, { recursive: true });
    await writeFile(join(server.dataDir, "outside"), "outside-canary");
    await symlink(join(server.dataDir, "outside"), join(folder, hash.slice(2)));
    const answer = await server.call("GET", `/api/v1/blobs/${hash}`);
    assert.equal(answer.status, 404);
    assert.deepEqual(await server.client.missingBlobs([hash]), [hash]);
    await server.client.putBlob(hash, "not this");
    assert.equal((await server.call("GET", `/api/v1/blobs/${hash}`)).text, "not this");
    const { text } = await server.call("GET", `/api/v1/blobs/${sha256("outside-canary")}`);
    assert.ok(!text.includes("canary"));
  });

  test("unsafe paths inside a snapshot are refused by name", async () => {
    await using server = await testServer();
    await server.client.putBlob(sha256("x"), "x");
    for (const path of [
      "../x",
      "/x",
      "a/../../x",
      "a\\..\\x",
      "a//b",
      "a/./b",
      "",
      "a\0b",
      "x".repeat(5000),
    ]) {
      const entry = { path, size: 1, hash: sha256("x"), executable: false };
      for (const [route, body] of [
        ["/datasets", { name: "d", tree: [entry] }],
        ["/experiments", { config: RANDOM_CONFIG, code: [entry] }],
      ] as const) {
        const answer = await server.call("POST", `/api/v1${route}`, { body });
        assert.equal(answer.status, 400, `${route} ${path.slice(0, 40)}`);
      }
    }
  });
});

describe("names", () => {
  test("of Object's own are plain names, or refused; nothing leaks into Object.prototype", async () => {
    await using server = await testServer();
    const own = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];
    const app = await declaredApp("0");
    const routes = app.routeTable.filter(
      ({ method, access }) => method !== "GET" && !access.includes("public"),
    );
    await app.close();
    for (const { method, url, access } of routes) {
      if (url.endsWith("/shutdown")) continue;
      const token = access.includes("runner") ? server.runner.token : server.token;
      const path = url.replace("/experiments/:id", "/experiments/1").replace(":runner", "local");
      for (const name of own)
        for (const raw of [
          `{"${name}": {"polluted": true}}`,
          `{"constructor": {"prototype": {"polluted": true}}}`,
          `{"a": {"${name}": {"polluted": true}}}`,
        ]) {
          const to = path.replace(":hash", HASH).replace(":token", "ab").replace(":id", "1.1");
          const answer = await server.call(method, to, { token, raw });
          assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${to} ${raw}`);
        }
    }
    await server.client.createExperiment({
      config: `${RANDOM_CONFIG.replace("by-hand", "toString")}labels: [valueOf]
`,
      code: null,
      provenance: JSON.parse('{"toString": {"prototype": 1}, "valueOf": [1]}'),
    });
    await server.runner.started("1.1.1");
    const names = own.slice(1);
    await server.runner.report(
      "1.1.1",
      1,
      Object.fromEntries(["loss", ...names].map((n) => [n, 1])),
    );
    const { series } = await server.client.metrics("1.1");
    assert.deepEqual(series.map(({ name }) => name).sort(), ["loss", ...names].sort());
    const { metric_names: seen } = await server.client.trial("1.1");
    assert.deepEqual([...seen].sort(), ["loss", ...names].sort());
    const experiment = await server.client.experiment(1);
    assert.deepEqual([experiment.name, experiment.labels], ["toString", ["valueOf"]]);
    assert.deepEqual(Object.getOwnPropertyNames({}), []);
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  });

  test("in any script and with any character come back as they were, and inert", async () => {
    await using server = await testServer();
    const hostile = [
      "\u202Eevil\u202C",
      "💥👩‍👩‍👧‍👦",
      "<script>alert(1)</script>",
      "\u001b[31mred\u001b[0m",
      "a\r\nb: c",
      "é",
      "é",
      "'; drop table trials; --",
      "{{7*7}}",
      "#{7*7}",
      "\uFEFFbom",
      " ",
      "z".repeat(200),
    ];
    for (const [i, name] of hostile.entries()) {
      const config = JSON.stringify({
        ...{ name, description: name, labels: [name], entrypoint: "true" },
        searcher: { name: "single" },
      });
      const made = await server.client.createExperiment({ config, code: null }).catch((e) => e);
      if (made instanceof Error) {
        assert.equal((made as { code?: string }).code, "invalid_config", `${i}`);
        continue;
      }
      const { id } = made.experiment;
      const detail = await server.call("GET", `/api/v1/experiments/${id}`);
      assert.match(detail.headers.get("content-type") ?? "", /^application\/json/);
      assert.equal(detail.headers.get("x-content-type-options"), "nosniff");
      const experiment = detail.json as { name: string; labels: string[] };
      assert.equal(experiment.name, name);
      assert.deepEqual(experiment.labels, [name]);
    }
  });

  test("and lines of output keep their bytes, whatever they are", async () => {
    await using server = await testServer();
    await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
    await server.runner.started("1.1.1");
    const lines = [
      Buffer.from([0xff, 0xfe, 0x00, 0x0d, 0x80]),
      Buffer.from("\u202Eright to left \u001b]0;title\u0007 \u001b[2J"),
      Buffer.from("10%\r20%\r30%"),
      Buffer.from("<script>alert(1)</script>"),
      Buffer.alloc(64 * 1024, 0xe2),
      Buffer.alloc(0),
    ];
    await server.runner.print("1.1.1", ...lines);
    const { items } = await server.client.trialLogs("1.1");
    const bytes = items.map(({ bytes: exact, text }) =>
      exact === undefined ? Buffer.from(text) : Buffer.from(exact, "base64"),
    );
    assert.deepEqual(bytes, lines);
    const { items: found } = await server.client.trialLogs("1.1", { contains: "20%\r" });
    assert.deepEqual(
      found.map(({ text }) => text),
      ["10%\r20%\r30%"],
    );
  });
});

describe("metric values", () => {
  test("are stored as they were sent, or refused by name", async () => {
    await using server = await testServer();
    await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
    await server.runner.started("1.1.1");
    const good: Record<string, [sent: string, shown: unknown]> = {
      nan: ['"NaN"', "NaN"],
      plus: ['"Infinity"', "Infinity"],
      minus: ['"-Infinity"', "-Infinity"],
      large: ["1.7976931348623157e308", Number.MAX_VALUE],
      tiny: ["5e-324", 5e-324],
      odd: ["9007199254740993", 2 ** 53],
      third: ["0.1", 0.1],
      zero: ["-0", -0],
    };
    const metrics = Object.entries(good).map(([name, [sent]]) => `"${name}": ${sent}`);
    const sync = (events: string) =>
      server.call("POST", "/api/v1/runners/local/sync", {
        token: server.runner.token,
        raw: `{"boot":"b","ordersAfter":0,"allocations":[{"id":"1.1.1","fence":1,"events":[${events}]}]}`,
      });
    const report = (seq: number, values: string) =>
      sync(`{"type":"report","seq":${seq},"atMs":0,"step":${seq},"metrics":{${values}}}`);
    assert.equal((await report(2, metrics.join(","))).status, 200);
    const { series } = await server.client.metrics("1.1");
    for (const [name, [, shown]] of Object.entries(good)) {
      const value = series.find((s) => s.name === name)?.points[0]?.value;
      // JSON.stringify writes -0 as 0; the database has it.
      assert.equal(value, shown === 0 ? 0 : shown, name);
    }
    const { rows } = await server.pool.query<{ sign: boolean }>(
      "select value::text = '-0' as sign from metrics m join metric_names n on n.id = m.name_id where n.name = 'zero'",
    );
    assert.deepEqual(rows, [{ sign: true }]);
    for (const bad of [
      "1e400",
      "-1e400",
      '"12"',
      '""',
      "true",
      "null",
      "[1]",
      '{"a": 1}',
      '"nan"',
    ]) {
      const answer = await report(3, `"loss": ${bad}`);
      assert.equal(answer.status, 400, bad);
      assert.match(answer.problem.detail, /metrics\.loss/, bad);
    }
    for (const name of ["", "x".repeat(513)]) {
      const answer = await report(3, `${JSON.stringify(name)}: 1`);
      assert.equal(answer.status, 400);
      assert.match(answer.problem.detail, /metrics/);
    }
    const many = Array.from({ length: 100_001 }, (_, i) => `"m${i}": 1`).join(",");
    const answer = await report(3, many);
    assert.equal(answer.status, 413);
    assert.match(answer.problem.detail, /has 100001 metrics; the limit is 100000/);
    assert.deepEqual((await server.client.trial("1.1")).step, 2);
  });
});

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
function converse(host: string, port: number, pieces: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answer += text;
      if (/\r\n\r\n.*\}$/s.test(answer)) socket.destroy();
    });
    socket.once("error", (error) => (answer === "" ? reject(error) : resolve(answer)));
    socket.once("close", () => resolve(answer));
    const next = (i: number): void => {
      const piece = pieces[i];
      if (piece === undefined || !socket.writable) return;
      socket.write(piece, () => next(i + 1));
    };
    socket.once("connect", () => next(0));
  });
}
