/** Requests with bad intent, or with none at all (rows I3, I5, I6, I7). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";
import { declaredApp } from "./openapi.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

const HASH = "0".repeat(64);
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Sends the path as it is; fetch would tidy it up first. */
function rawCall(
  server: TestServer,
  method: string,
  path: string,
  token = server.token,
): Promise<{ status: number; body: string }> {
  const { hostname: host, port } = new URL(server.url);
  const headers = { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    httpRequest({ host, port, path, headers, method }, (response) => {
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

  test("give 400 or 404 on every route with a parameter, and never a byte from outside", async (t) => {
    await using server = await testServer();
    const planted = "planted-canary-7f3a";
    const secret = join(server.dataDir, "secret");
    await writeFile(secret, planted);
    const app = await declaredApp("0");
    const routes = app.routeTable.filter(({ url }) => url.includes(":"));
    await app.close();
    assert.ok(routes.length > 25 && routes.some(({ method }) => method === "DELETE"));
    const before = await counted(server);
    const seen = new Map<number, number>();
    const judge = async (method: string, path: string, token?: string): Promise<number> => {
      const { status, body } = await rawCall(server, method, path, token);
      seen.set(status, (seen.get(status) ?? 0) + 1);
      assert.ok(!body.includes(planted) && !body.includes("root:"), `${method} ${path}`);
      return status;
    };
    for (const { method, url, access } of routes) {
      const ofRunner = access.includes("runner");
      const token = ofRunner ? server.runner.token : server.token;
      for (const bad of traversals) {
        const path = url.replace(/:[a-z]+/g, (name) => (name === ":kind" ? "trial" : bad));
        const status = await judge(method, path, token);
        // A runner under another name than its own is turned away before anybody looks at the name.
        const right = status === 400 || status === 404 || (ofRunner && status === 403);
        assert.ok(right, `${method} ${path}: ${status}`);
      }
    }
    for (const bad of traversals)
      for (const prefix of ["/", "/api/v1/", "/api/v1/blobs/../", "/api/v1/openapi.json/"]) {
        const status = await judge("GET", `${prefix}${bad}`);
        assert.ok(status === 400 || status === 404, `${prefix}${bad}: ${status}`);
      }
    assert.equal(await readFile(secret, "utf8"), planted);
    assert.deepEqual(await counted(server), before);
    const total = [...seen.values()].reduce((x, y) => x + y, 0);
    const list = [...seen].map(([status, count]) => `${count} × ${status}`).join(", ");
    t.diagnostic(
      `I5: ${routes.length} routes × ${traversals.length} ways out: ${total} requests, ${list}; 0 bytes from outside, 0 rows changed`,
    );
  });

  /** How much there is of what a request could delete. */
  async function counted(server: TestServer): Promise<unknown> {
    const tables = ["tokens", "users", "datasets", "experiments", "trials", "changes"];
    const columns = tables.map((table) => `(select count(*) from ${table}) as ${table}`);
    return (await server.pool.query(`select ${columns.join(", ")}`)).rows[0];
  }

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
});

describe("names", () => {
  test("of Object's own are plain names, or refused; nothing leaks into Object.prototype", async (t) => {
    await using server = await testServer();
    const own = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];
    const app = await declaredApp("0");
    const routes = app.routeTable.filter(
      ({ method, access }) => method !== "GET" && !access.includes("public"),
    );
    await app.close();
    let sent = 0;
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
          sent += 1;
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
    t.diagnostic(
      `I3: ${own.length} names of Object's in ${sent} bodies to ${routes.length} routes, and as metric, label and record: Object.prototype unchanged`,
    );
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

test("filters take a pattern that would run for years as the plain text that it is", async (t) => {
  await using server = await testServer();
  await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
  await server.runner.started("1.1.1");
  const patterns = ["(a+)+$", "(.*a){20}", "%a%a%a%a%a%a%", "(a|aa)*b", "[[:alpha:]]*\\1"];
  const line = "a".repeat(60_000);
  await server.runner.print("1.1.1", line, ...patterns);
  let asked = 0;
  let slowestMs = 0;
  const ask = async (path: string): Promise<unknown[]> => {
    const began = performance.now();
    const answer = await server.call("GET", `/api/v1${path}`);
    slowestMs = Math.max(slowestMs, performance.now() - began);
    asked += 1;
    assert.equal(answer.status, 200, `${path}: ${answer.text.slice(0, 200)}`);
    return (answer.json as { items: unknown[] }).items;
  };
  for (const pattern of patterns) {
    const word = encodeURIComponent(pattern);
    const found = (await ask(`/trials/1.1/logs?contains=${word}`)) as { text: string }[];
    assert.deepEqual(
      found.map(({ text }) => text),
      [pattern],
    );
    assert.equal((await ask(`/experiments/1/logs?contains=${word}`)).length, 1);
    for (const filter of ["what", "actor"])
      assert.deepEqual(await ask(`/audit?${filter}=${word}`), []);
    assert.deepEqual(await ask(`/experiments?label=${word}`), []);
  }
  t.diagnostic(
    `I11: ${patterns.length} patterns in ${asked} filters, each taken as text; the slowest answer ${slowestMs.toFixed(0)} ms`,
  );
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
        raw: `{"boot":"test","ordersAfter":0,"allocations":[{"id":"1.1.1","fence":1,"events":[${events}]}]}`,
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
    const many = Array.from({ length: 10_001 }, (_, i) => `"m${i}": 1`).join(",");
    const answer = await report(3, many);
    assert.equal(answer.status, 413);
    assert.match(answer.problem.detail, /has 10001 metrics; the limit is 10000/);
    assert.deepEqual((await server.client.trial("1.1")).step, 2);
  });
});
