/** Two thousand requests that nobody would send: no answer is ever the server's fault (rows I1, I3, I5, I7). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { keyed, type Random } from "../../base/random.ts";
import { declaredApp } from "./openapi.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20_260_727);
const REQUESTS = 3_000;
const HASH = "0".repeat(64);

const TEXTS = [
  ..."0|1|-1|1.1|1.2|9.9|1.1.1|2147483648|9999999999|9999999999.1|1e308|NaN|null|true|0x1| 1|1 ".split(
    "|",
  ),
  ...[
    "",
    "a",
    "x".repeat(199),
    "x".repeat(5000),
    HASH,
    `${HASH}0`,
    "é".normalize("NFD"),
    "💥",
    "\u202Eabc",
  ],
  ...[
    "..",
    "../..",
    "..%2f..%2fetc%2fpasswd",
    "..\\..",
    "%00",
    "\0",
    "\ud800",
    "%c0%ae%c0%ae/",
    "%25%32%65",
  ],
  ...[
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "hasOwnProperty",
    "'; drop table trials; --",
  ],
  ...[
    "1-1",
    "99999999999-1",
    "1-99999999999999999",
    "0_1",
    "Infinity_1",
    "1_99999999999",
    "-",
    "_",
  ],
  ...["\u001b[31mred", "<script>alert(1)</script>", "a\r\nb: c", "\uFEFF", "%{jndi}"],
];
const NUMBERS = [0, -0, 1, -1, 0.5, 1e21, 2 ** 31, 2 ** 53, -(2 ** 63), 1e308, 5e-324];

const pick = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)] as T;

function anything(random: Random, depth = 0): unknown {
  const kind = random.below(depth > 3 ? 5 : 8);
  if (kind < 3) return pick(random, TEXTS);
  if (kind === 3) return pick(random, NUMBERS);
  if (kind === 4) return pick(random, [null, true, false, [], {}]);
  if (kind === 5) return Array.from({ length: random.below(4) }, () => anything(random, depth + 1));
  const entries = Array.from({ length: random.below(4) }, () => [
    pick(random, TEXTS),
    anything(random, depth + 1),
  ]);
  return Object.fromEntries(entries as [string, unknown][]);
}

/** A good body with something changed in it, somewhere. */
function mutated(random: Random, value: unknown): unknown {
  if (random.below(6) === 0) return anything(random);
  if (Array.isArray(value)) {
    const at = random.below(value.length + 1);
    if (at === value.length) return random.below(2) === 0 ? [...value, ...value] : [];
    return value.map((item, i) => (i === at ? mutated(random, item) : item));
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value);
    const at = random.below(entries.length + 2);
    if (at >= entries.length) return { ...value, [pick(random, TEXTS)]: anything(random) };
    return Object.fromEntries(
      entries.flatMap(([name, item], i) => {
        if (i !== at) return [[name, item]];
        return random.below(5) === 0 ? [] : [[name, mutated(random, item)]];
      }),
    );
  }
  return anything(random);
}

const at = { seq: 1, atMs: 0 };
const BODIES: Record<string, unknown> = {
  "/login": { user: "ada", password: "something" },
  "/session": { user: "ada", password: "something" },
  "/me/password": { password: "something long" },
  "/tokens": { name: "t", scope: "read", lifetime_s: 60 },
  "/blobs/missing": { hashes: [HASH] },
  "/datasets": { name: "d", tree: [{ path: "a", size: 1, hash: HASH, executable: false }] },
  "/datasets/:name/:version/verify": { after: 0, full: true },
  "/experiments": {
    config: RANDOM_CONFIG,
    code: [{ path: "a", size: 1, hash: HASH, executable: true }],
    provenance: { a: [1, { b: "c" }] },
    activate: false,
    dry_run: true,
  },
  "/experiments/check": { config: RANDOM_CONFIG },
  "/experiments/:id": { name: "n", notes: "of\nsome\nlength", labels: ["a"], priority: 5 },
  "/experiments/archive": { ids: [1] },
  "/experiments/delete": { ids: [1, 2] },
  "/runners/:runner/sync": {
    boot: "test",
    ordersAfter: 0,
    allocations: [
      {
        id: "1.1.1",
        fence: 1,
        events: [
          { ...at, type: "started", pid: 5 },
          { ...at, seq: 2, type: "report", step: 1, metrics: { loss: 1 }, refused: { a: "text" } },
          { ...at, seq: 3, type: "checkpoint", step: 1, tree: [], metadata: { a: [1] } },
          { ...at, seq: 4, type: "invalid_hyperparameters", reason: "no" },
          {
            ...{ ...at, seq: 5, type: "exited", kind: "processes", outOfMemory: null, detail: "" },
            processes: [{ rank: 0, code: 1, signal: null }],
            ...{ signalsSent: ["SIGTERM"], yielded: false, logLines: 1 },
          },
        ],
      },
    ],
  },
  "/runners/:runner/logs": {
    allocations: [
      {
        id: "1.1.1",
        fence: 1,
        lines: [{ ...at, rank: 0, stream: "stdout", bytes: "YQ==", complete: true }],
      },
    ],
  },
};
const QUERIES = [
  "cursor",
  "limit",
  "state",
  "label",
  "order",
  "names",
  "from_step",
  "to_step",
].concat([
  "points",
  "superseded",
  "tail",
  "rank",
  "stream",
  "contains",
  "after",
  "wait_ms",
  "filter",
  "sort",
  "show",
  "metric",
  "since",
  "constructor",
]);

interface Request {
  readonly method: string;
  readonly path: string;
  readonly token: string;
  readonly body: string | undefined;
  readonly headers: Record<string, string>;
}

interface Route {
  readonly method: string;
  readonly url: string;
}

function makeRequest(random: Random, { method, url }: Route, server: TestServer): Request {
  const param = (name: string): string => {
    if (random.below(3) === 0) return encodeURIComponent(pick(random, TEXTS).toWellFormed());
    if (random.below(8) === 0) return pick(random, TEXTS).replace(/[^\x21-\x7e]|[#?]/g, "");
    const good: Record<string, string> = { hash: HASH, runner: "local", token: "ab", seq: "1" };
    if (name === "kind")
      return pick(random, ["experiment", "searcher", "trial", "allocation", "slot"]);
    return good[name] ?? (url.includes("/trials") || random.below(2) === 0 ? "1.1" : "1");
  };
  const query = Array.from({ length: random.below(4) }, () => {
    const value = random.below(3) === 0 ? String(random.below(20)) : pick(random, TEXTS);
    return `${pick(random, QUERIES)}=${encodeURIComponent(value.toWellFormed())}`;
  }).join("&");
  // The one that waits is told not to.
  const asked = url.endsWith("/orders")
    ? `after=${encodeURIComponent(pick(random, TEXTS).toWellFormed())}&wait_ms=0`
    : query;
  const path = url.replace(/:([a-z]+)/g, (_, name: string) => param(name));
  const good = BODIES[url.replace("/api/v1", "")] ?? {};
  const text = JSON.stringify(mutated(random, good));
  const cut = random.below(20) === 0 ? text?.slice(0, random.below(text.length)) : text;
  const types = ["application/json; charset=utf-7", "text/plain", "application/octet-stream", "x"];
  return {
    method,
    path: asked === "" ? path : `${path}?${asked}`,
    token: url.includes("/runners/") ? server.runner.token : server.token,
    body: method === "GET" || method === "DELETE" ? undefined : cut,
    headers: {
      ...(random.below(15) === 0 ? { "content-type": pick(random, types) } : {}),
      ...(random.below(20) === 0 ? { "idempotency-key": `k${random.below(3)}` } : {}),
      ...(random.below(20) === 0 ? { "last-event-id": pick(random, ["x", "1-1", "9-"]) } : {}),
    },
  };
}

describe("requests that nobody would send", () => {
  test("no answer is a 5xx and nothing of ours breaks", async () => {
    await using server = await testServer();
    const app = await declaredApp("0");
    const routes = app.routeTable.filter(
      // The one asks the server to end, the others have no end.
      ({ url }) =>
        url.startsWith("/api/") && !url.endsWith("/shutdown") && !url.endsWith("/stream"),
    );
    await app.close();
    await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
    await server.runner.started("1.1.1");
    await server.runner.report("1.1.1", 1, { loss: 1, "a,b": 2 });
    await server.runner.print("1.1.1", "hello");
    const random = keyed(SEED, "requests");
    const seen = new Map<number, number>();
    for (let i = 0; i < REQUESTS; i += 16) {
      const batch = Array.from({ length: 16 }, () =>
        makeRequest(random, pick(random, routes), server),
      );
      await Promise.all(
        batch.map(async ({ method, path, token, body, headers }) => {
          const raw = body === undefined ? {} : { raw: body };
          const answer = await server.call(method, path, { token, headers, ...raw });
          seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
          const shown = `seed ${SEED}: ${method} ${path} ${JSON.stringify(headers)} ${body?.slice(0, 2000)} → ${answer.text.slice(0, 500)}`;
          assert.ok(answer.status < 500, shown);
          if (answer.status < 400) return;
          assert.equal(
            answer.headers.get("content-type"),
            "application/problem+json; charset=utf-8",
          );
          assert.equal(answer.problem.status, answer.status, shown);
          assert.ok(answer.problem.detail !== "" && answer.problem.hint !== "", shown);
        }),
      );
    }
    // Refusals of a runner are warned of; what counts here is a fault of ours.
    assert.deepEqual(
      server.troubles.filter(({ level }) => level >= 50),
      [],
    );
    for (const status of [200, 400, 404]) assert.ok((seen.get(status) ?? 0) > 50, `${status}`);
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
    assert.deepEqual(Object.keys(Object.prototype), []);
    assert.equal((await server.call("GET", "/api/v1/me")).status, 200);
  });
});
