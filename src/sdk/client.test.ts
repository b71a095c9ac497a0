import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { Clock } from "../base/clock.ts";
import { ContentError } from "../base/content.ts";
import { Client, type CreateExperiment, eachItem, type PageQuery } from "./client.ts";
import { RemoteError } from "./remote-error.ts";

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: string | undefined;
}

const seen: Seen[] = [];
let answers: (() => Response | Promise<Response>)[] = [];
const waits: number[] = [];

/** Takes the next answer; the last one stays. */
const fetch: typeof globalThis.fetch = async (input, init) => {
  const body = typeof init?.body === "string" ? init.body : undefined;
  seen.push({
    method: init?.method ?? "",
    url: String(input),
    headers: new Headers(init?.headers),
    body,
  });
  const answer = answers.length > 1 ? answers.shift() : answers[0];
  assert(answer !== undefined);
  return await answer();
};

let passedMs = 0;
const clock: Clock = {
  nowMs: () => 0,
  monotonicMs: () => passedMs,
  after(delayMs, callback) {
    if (delayMs >= 30_000) return () => {};
    waits.push(delayMs);
    const timer = setImmediate(callback);
    return () => clearImmediate(timer);
  },
};

let key = 0;
const client = new Client({
  url: "http://there:1/",
  token: "cu_t",
  clock,
  fetch,
  newKey: () => `k${++key}`,
});
const reply =
  (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  () =>
    new Response(JSON.stringify(body), { status, headers });
const refuse = () => {
  throw new TypeError("fetch failed", {
    cause: Object.assign(new Error("x"), { code: "ECONNREFUSED" }),
  });
};
const problem = (status: number, code: string) => ({
  type: `urn:contrail:error:${code}`,
  code,
  title: "t",
  status,
  detail: `the detail of ${code}`,
  hint: "the hint",
  class: status === 503 ? "retry_later" : "fix",
  issues: [{ code: "i", path: ".a", message: "m", line: 3 }],
});

beforeEach(() => {
  seen.length = 0;
  waits.length = 0;
  answers = [];
});

test("a request carries the token, its query without what is undefined, and JSON", async () => {
  answers = [reply({ items: [], next_cursor: null })];
  await client.experiments({ limit: 5, cursor: undefined, state: "active" });
  assert.equal(seen[0]?.url, "http://there:1/api/v1/experiments?limit=5&state=active");
  assert.equal(seen[0]?.headers.get("authorization"), "Bearer cu_t");
  await client.shutdown("stop");
  assert.deepEqual([seen[1]?.method, seen[1]?.body], ["POST", '{"trials":"stop"}']);
});

test("ids are escaped, so that none leads to another route", async () => {
  answers = [reply({})];
  await client.trial("../tokens?x");
  assert.equal(seen[0]?.url, "http://there:1/api/v1/trials/..%2Ftokens%3Fx");
});

test("a read is sent again after a refusal and 503, four times at most", async () => {
  answers = [
    refuse,
    reply(problem(503, "unavailable"), 503, { "retry-after": "2" }),
    reply({ status: "ready" }),
  ];
  assert.deepEqual(await client.health(), { status: "ready" });
  assert.deepEqual(waits, [300, 2000]);
  answers = [refuse];
  seen.length = 0;
  await assert.rejects(client.health(), (error: RemoteError) => error.code === "unreachable");
  assert.equal(seen.length, 4);
});

for (const status of [408, 425, 429, 502, 504])
  test(`what a proxy answers with ${status} is asked for again, and a creation under its key`, async () => {
    const page = () => new Response("<html>", { status });
    answers = [page, page, reply({ status: "ready" })];
    assert.deepEqual(await client.health(), { status: "ready" });
    seen.length = 0;
    answers = [page, reply({ id: 3 })];
    await client.createExperiment({} as CreateExperiment);
    assert.equal(new Set(seen.map(({ headers }) => headers.get("idempotency-key"))).size, 1);
    assert.equal(seen.length, 2);
    seen.length = 0;
    answers = [page];
    await assert.rejects(client.shutdown("stop"), { code: "not_contrail" });
    assert.equal(seen.length, 1, "what may have been done is not done again");
  });

for (const [status, isTriedAgain] of [
  [429, true],
  [408, true],
  [403, false],
] as const)
  test(`a stream that a proxy answers with ${status} ${isTriedAgain ? "is opened again" : "is over"}`, async () => {
    const end = "event: end\ndata: {}\n\n";
    answers = [
      () => new Response("<html>", { status }),
      () => new Response(end, { headers: { "content-type": "text/event-stream" } }),
    ];
    const read = client.logStream({ trial: "3.1" }, {}).next();
    if (isTriedAgain) assert.equal((await read).done, true);
    else await assert.rejects(read, { code: "not_contrail" });
    assert.equal(seen.length, isTriedAgain ? 2 : 1);
  });

/** As `fetch` of Node does whose server is at work for more than 5 minutes. */
const givesUp = () => {
  passedMs += 300_000;
  const cause = Object.assign(new Error("x"), { code: "UND_ERR_HEADERS_TIMEOUT" });
  throw new TypeError("fetch failed", { cause });
};

test("what the server is long at work with is asked for again under one key, as long as it may take", async () => {
  answers = [...Array(7).fill(givesUp), reply({ created: true })];
  assert.equal((await client.importBundle("{}")).created, true);
  assert.equal(new Set(seen.map(({ headers }) => headers.get("idempotency-key"))).size, 1);
  assert.equal(seen.length, 8);
  for (const [ask, requests] of [
    [() => client.importBundle("{}"), 12],
    [() => client.gcPlan(), 2],
    [() => client.verifyDataset({ name: "digits", version: 1 }), 12],
  ] as const) {
    seen.length = 0;
    answers = [givesUp];
    await assert.rejects(ask(), { code: "timed_out" });
    assert.equal(seen.length, requests);
  }
  // What would be done once more each time is not asked for that often.
  seen.length = 0;
  await assert.rejects(client.putBlob("a".repeat(64), new Uint8Array(1)), { code: "unreachable" });
  assert.equal(seen.length, 4);
});

/** An answer whose connection ends in the middle of its body. */
const cut = (): Response => {
  const parts = [new TextEncoder().encode('{"items":[')];
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    const next = parts.shift();
    const closed = Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" });
    if (next === undefined) controller.error(new TypeError("terminated", { cause: closed }));
    else controller.enqueue(next);
  };
  return new Response(new ReadableStream({ pull }));
};
const isCut = (error: unknown): boolean =>
  error instanceof RemoteError && error.code === "unreachable" && /was cut/.test(error.message);

test("an answer that breaks off is read again, and is no mistake of the caller's where it stays so", async () => {
  answers = [cut, reply({ items: [], next_cursor: null })];
  assert.deepEqual((await client.experiments()).items, []);
  assert.equal(seen.length, 2);
  answers = [cut];
  await assert.rejects(client.experiments(), isCut);
  assert.equal(seen.length, 6);
  await assert.rejects(client.changeTrial("3.1", "kill"), isCut);
  assert.equal(seen.length, 7);
});

test("so is one that is taken as it arrives: after its bytes comes the same error", async () => {
  answers = [cut];
  const reader = (await client.getBlob("ab")).getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), '{"items":[');
  await assert.rejects(reader.read(), isCut);
  const readAll = async (source: AsyncIterable<unknown>): Promise<void> => {
    for await (const _ of source);
  };
  await assert.rejects(readAll(client.points()), isCut);
  await assert.rejects(readAll(client.bundle(3)), isCut);
});

test("what cannot be sent twice is not; a creation is, under one key", async () => {
  answers = [refuse];
  await assert.rejects(client.changeTrial("3.1", "kill"), RemoteError);
  assert.equal(seen.length, 1);
  seen.length = 0;
  answers = [refuse, reply({ experiment: null })];
  await client.createExperiment({ config: "", code: null });
  const keys = seen.map(({ headers }) => headers.get("idempotency-key"));
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
  assert.match(keys[0] ?? "", /^k\d+$/);
});

test("a refusal keeps code, status, detail, hint and issues", async () => {
  answers = [reply(problem(404, "not_found"), 404)];
  await assert.rejects(client.trial("9.9"), (error: RemoteError) => {
    assert.deepEqual(
      [error.code, error.status, error.message, error.hint, error.issues[0]?.line],
      ["not_found", 404, "the detail of not_found", "the hint", 3],
    );
    return true;
  });
});

test("an answer that is not of this API is said to be so", async () => {
  const cases: [() => Response, RegExp][] = [
    [
      () => new Response("<html>", { status: 502 }),
      /status 502 and a body that is no JSON.*<html>/,
    ],
    [() => new Response("", { status: 500 }), /an empty body/],
    [() => new Response("hello", { status: 200 }), /no JSON/],
    [() => new Response('{"code":1}', { status: 400 }), /no JSON of this API/],
  ];
  for (const [answer, message] of cases) {
    answers = [answer];
    await assert.rejects(client.me(), (error: RemoteError) => {
      assert.equal(error.code, "not_contrail");
      assert.match(error.message, message);
      return true;
    });
  }
});

test("lists are read page by page to their end", async () => {
  const pages: { [cursor: string]: { items: number[]; next_cursor: string | null } } = {
    "": { items: [1, 2], next_cursor: "a" },
    a: { items: [], next_cursor: "b" },
    b: { items: [3], next_cursor: null },
  };
  const items: number[] = [];
  const next = async (query: PageQuery) =>
    pages[query.cursor ?? ""] ?? assert.fail("unknown cursor");
  for await (const item of eachItem(next, 2)) items.push(item);
  assert.deepEqual(items, [1, 2, 3]);
});

test("a stream goes on after a cut where it was, and stops at its end", async () => {
  const sse = (text: string) => () =>
    new Response(text, { headers: { "content-type": "text/event-stream" } });
  answers = [
    sse('id: 5-1\nevent: log\ndata: [{"text":"a"}]\n\n'),
    sse('id: 5-2\nevent: log\ndata: [{"text":"b"}]\n\nevent: end\ndata: {}\n\n'),
  ];
  const texts: string[] = [];
  for await (const entries of client.logStream({ trial: "3.1" }, { rank: 0 }))
    texts.push(...entries.map(({ text }) => text));
  assert.deepEqual(texts, ["a", "b"]);
  assert.deepEqual(
    seen.map(({ url, headers }) => [url.replace(/^.*api.v1/, ""), headers.get("last-event-id")]),
    [
      ["/trials/3.1/logs/stream?rank=0", null],
      ["/trials/3.1/logs/stream?rank=0", "5-1"],
    ],
  );
});

test("content is opened anew for every attempt, and let go of after each", async () => {
  let [opened, closed] = [0, 0];
  const body = new Uint8Array([1, 2, 3]);
  const close = async (): Promise<void> => {
    closed += 1;
  };
  const content = {
    size: 3,
    open: async () => {
      opened += 1;
      return { body, close };
    },
  };
  answers = [refuse, reply(problem(503, "unavailable"), 503), reply({})];
  await client.putBlob("ab", content);
  assert.deepEqual([opened, closed], [3, 3]);
  assert.deepEqual(
    seen.map(({ headers }) => headers.get("content-length")),
    ["3", "3", "3"],
  );
});

test("content that cannot be read is neither a server out of reach nor sent again", async () => {
  const gone = new ContentError("x cannot be read");
  answers = [
    () => {
      throw new TypeError("fetch failed", { cause: gone });
    },
  ];
  const content = { size: 1, open: () => Promise.reject(gone) };
  await assert.rejects(client.putBlob("ab", content), gone);
  assert.equal(seen.length, 0);
  const body = new Uint8Array([1]);
  const broken = { size: 1, open: async () => ({ body, close: async () => {} }) };
  await assert.rejects(client.putBlob("ab", broken), gone);
  assert.equal(seen.length, 1);
});
