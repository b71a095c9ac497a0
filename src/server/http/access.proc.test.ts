/** Who may do what, over every route that there is (rows S1, S3, S4, S8, S11 of the matrix). */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { RouteShorthandOptions } from "fastify";
import pino from "pino";
import { Client } from "../../sdk/client.ts";
import { buildApp } from "./app.ts";
import { declaredApp } from "./openapi.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

/** The written list: these and no others answer without a token. */
const PUBLIC = [
  "GET /api/v1/health",
  "POST /api/v1/login",
  "GET /api/v1/session",
  "POST /api/v1/session",
  // The files of the web page: the same for everybody, and without anything of anybody.
  "GET /",
  "GET /assets/:file",
];
/** Public as a route, but only for the addresses of pages. */
const PAGES = "GET /*";
const HASH = "0".repeat(64);

interface Route {
  readonly method: string;
  readonly url: string;
  readonly access: readonly string[];
  readonly bodyLimit?: number;
}

async function routeTable(): Promise<Route[]> {
  const app = await declaredApp("0");
  const table = [...app.routeTable];
  await app.close();
  return table;
}

/** The route's address with something in place of each parameter. */
const filled = ({ url }: Route, id = "1.1", runner = "local"): string =>
  url
    .replace("/experiments/:id", `/experiments/${id.split(".")[0]}`)
    .replace("/checkpoints/:id", `/checkpoints/${HASH}`)
    .replace("/datasets/:name/:version", "/datasets/digits/1")
    .replace(":hash", HASH)
    .replace(":runner", runner)
    .replace(":allocation", "1.1.1")
    .replace(":token", "ab12")
    .replace(":seq", "1")
    .replace("/why/:kind/:id", `/why/trial/${id}`)
    .replace(":id", id);

describe("access", () => {
  let server: TestServer;
  let routes: Route[];
  before(async () => {
    [server, routes] = await Promise.all([testServer(), routeTable()]);
  });
  after(() => server.stop());

  describe("without a token", () => {
    test("every route answers 401 but for the written list", async () => {
      assert.ok(routes.length > 40);
      const open: string[] = [];
      for (const route of routes) {
        const body = route.method === "GET" || route.method === "DELETE" ? {} : { body: {} };
        const answer = await server.call(route.method, filled(route), { token: null, ...body });
        if (answer.status !== 401) open.push(`${route.method} ${route.url}`);
        else assert.equal(answer.problem.code, "not_authenticated");
      }
      assert.deepEqual(open.sort(), [...PUBLIC].sort());
      const isPublic = ({ access }: Route): boolean => access.includes("public");
      const declared = routes.filter(isPublic).map(({ method, url }) => `${method} ${url}`);
      assert.deepEqual(declared.sort(), [...PUBLIC, PAGES].sort());
    });

    test("no route that anybody may call takes a large body", () => {
      const open = routes.filter(
        ({ method, access }) => access.includes("public") && !["GET", "HEAD"].includes(method),
      );
      assert.ok(open.length >= 2);
      for (const { method, url, bodyLimit } of open)
        assert.equal(bodyLimit, 16 * 1024, `${method} ${url}`);
    });

    test("so do other methods, unknown paths and paths that cannot be decoded", async () => {
      const tries = [
        ...["HEAD", "OPTIONS", "DELETE", "PATCH", "PUT"].map((m) => [m, "/api/v1/experiments"]),
        ...["HEAD", "OPTIONS", "POST"].map((m) => [m, "/api/v1/health"]),
        ...["/api", "/api/v1", "/api/v1/", "/api/v1/nothing", "/favicon.ico", "/metrics"].map(
          (path) => ["GET", path],
        ),
        ["GET", "/api/v1/trials/%E0%A4%A"],
        ["GET", `/api/v1/trials/${"1".repeat(5000)}`],
        ["GET", "/api/v1/../v1/experiments"],
        ["GET", "//api/v1/health"],
        ["GET", "/api/v1/health/"],
        ["GET", "/API/V1/health"],
      ] as const;
      for (const [method, path] of tries) {
        const { status, headers } = await server.call(method as string, path as string, {
          token: null,
        });
        assert.equal(status, 401, `${method} ${path}`);
        assert.equal(headers.get("www-authenticate"), "Bearer");
      }
    });

    test("tokens that are none of ours are refused, whatever they look like", async () => {
      const bad = [
        "",
        "x",
        "cu_",
        `cu_${"a".repeat(43)}`,
        `ca_1.1.1_${"0".repeat(64)}`,
        `cr_local_${"0".repeat(64)}`,
        `cr_local_${server.runner.token.slice(-63)}`,
        server.oneTimeToken,
        server.token.toUpperCase(),
        "a".repeat(10_000),
      ];
      for (const token of bad)
        assert.equal((await server.call("GET", "/api/v1/me", { token })).status, 401, token);
      for (const authorization of [
        `Basic ${Buffer.from("ada:").toString("base64")}`,
        server.token,
        `Bearer ${server.token}, Bearer x`,
      ]) {
        const answer = await server.call("GET", "/api/v1/me", {
          token: null,
          headers: { authorization },
        });
        assert.equal(answer.status, 401, authorization);
      }
      const inUrl = `/api/v1/me?token=${server.token}&access_token=${server.token}`;
      assert.equal((await server.call("GET", inUrl, { token: null })).status, 401);
    });
  });

  test("a route that does not say who may call it stops the server from being built", async () => {
    const app = await buildApp({
      access: {} as never,
      logger: pino({ level: "silent" }),
      version: "0",
      isReady: () => true,
    });
    const without: RouteShorthandOptions[] = [{}, { config: {} }, { config: { access: [] } }];
    for (const options of without)
      assert.throws(
        () => app.get("/planted", options, async () => "open"),
        /route GET \/planted does not say who may call it/,
      );
    await app.close();
  });

  describe("the token of an allocation", () => {
    test("reads its own trial, and nothing else answers it", async () => {
      const [id, token] = await launchToken();
      const trial = id.split(".").slice(0, 2).join(".");
      const allowed: string[] = [];
      for (const route of routes) {
        if (route.access.includes("public")) continue;
        const body = route.method === "GET" || route.method === "DELETE" ? {} : { body: {} };
        const path = filled(route, trial);
        const { status } = await server.call(route.method, path, { token, ...body });
        assert.notEqual(status, 401, path);
        if (status !== 403) allowed.push(`${route.method} ${route.url}`);
      }
      assert.deepEqual(allowed.sort(), [
        "GET /api/v1/trials/:id",
        "GET /api/v1/trials/:id/checkpoints",
        "GET /api/v1/trials/:id/logs",
        "GET /api/v1/trials/:id/metrics",
        "GET /api/v1/trials/:id/record",
      ]);
      for (const other of [trial.replace(/1$/, "2"), `${trial}0`, "999.1"])
        for (const suffix of ["", "/logs", "/metrics", "/checkpoints", "/record"]) {
          const answer = await server.call("GET", `/api/v1/trials/${other}${suffix}`, { token });
          assert.equal(answer.status, 403, `${other}${suffix}`);
        }
    });

    test("is dead once its allocation has ended", async () => {
      const [id, token] = await launchToken();
      const path = `/api/v1/trials/${id.split(".").slice(0, 2).join(".")}`;
      assert.equal((await server.call("GET", path, { token })).status, 200);
      await server.runner.started(id);
      assert.equal((await server.call("GET", path, { token })).status, 200);
      await server.runner.exited(id, 1);
      const answer = await server.call("GET", path, { token });
      assert.equal(answer.status, 401);
      assert.match(answer.problem.detail, /is over, and its token with it/);
    });
  });

  /** A trial that has slots and was not started: its launch carries the token. */
  async function launchToken(): Promise<[id: string, token: string]> {
    for (const { id, state } of (await server.client.experiments()).items)
      if (state === "active") await server.client.changeExperiment(id, "kill");
    for (const { id } of (await server.runner.orders()).orders)
      await server.runner.exited(id, 0, { signalsSent: ["SIGTERM"] });
    await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
    const order = (await server.runner.orders()).orders.find((o) => o.launch !== null);
    assert.ok(order?.launch);
    return [order.id, order.launch.token];
  }

  describe("the token of a runner", () => {
    test("opens the routes of runners and the blobs, for its own name alone", async () => {
      const { token } = server.runner;
      const allowed: string[] = [];
      for (const route of routes) {
        if (route.access.includes("public")) continue;
        const body = route.method === "GET" || route.method === "DELETE" ? {} : { body: {} };
        // With nothing after it the poll answers at once.
        const path = filled(route).replace(/orders$/, "orders?after=0");
        const { status } = await server.call(route.method, path, { token, ...body });
        if (status !== 403) allowed.push(`${route.method} ${route.url}`);
        const other = filled(route, "1.1", "other");
        if (other !== filled(route))
          assert.equal((await server.call(route.method, other, { token, ...body })).status, 403);
      }
      assert.deepEqual(allowed.sort(), [
        "GET /api/v1/blobs/:hash",
        "GET /api/v1/environments/:hash",
        "GET /api/v1/runners/:runner/meeting",
        "GET /api/v1/runners/:runner/orders",
        "GET /api/v1/runners/:runner/tunnels/:allocation",
        "POST /api/v1/blobs/missing",
        "POST /api/v1/runners/:runner/logs",
        "POST /api/v1/runners/:runner/sync",
        "PUT /api/v1/blobs/:hash",
        "PUT /api/v1/runners/:runner/meeting",
      ]);
    });

    test("a person's token is no runner's", async () => {
      for (const route of routes.filter((r) => r.access.every((rule) => rule === "runner"))) {
        const answer = await server.call(route.method, filled(route), {
          ...(route.method === "GET" ? {} : { body: {} }),
        });
        assert.equal(answer.status, 403, route.url);
      }
    });
  });

  describe("people's tokens", () => {
    test("scope read reads everything that a person may and changes nothing", async () => {
      const { token, id } = await server.client.createToken({ name: "viewer", scope: "read" });
      for (const route of routes) {
        if (route.access.includes("public") || route.url.endsWith("/stream")) continue;
        const body = route.method === "GET" || route.method === "DELETE" ? {} : { body: {} };
        const { status } = await server.call(route.method, filled(route), { token, ...body });
        if (route.access.includes("read")) assert.notEqual(status, 403, route.url);
        else assert.equal(status, 403, `${route.method} ${route.url}`);
      }
      await server.client.revokeToken(id);
      assert.equal((await server.call("GET", "/api/v1/me", { token })).status, 401);
    });

    test("a token ends when its time is over", async () => {
      const { token } = await server.client.createToken({ name: "short", lifetime_s: 60 });
      assert.equal((await server.call("GET", "/api/v1/me", { token })).status, 200);
      server.clock.advance(61_000);
      assert.equal((await server.call("GET", "/api/v1/me", { token })).status, 401);
    });

    test("a request is answered by a database that takes no note of it", async () => {
      const made = await server.client.createToken({ name: "reader", scope: "read" });
      await server.pool.query(
        `create function no_room() returns trigger language plpgsql as
           $$ begin raise 'no room' using errcode = '53100'; end $$`,
      );
      await server.pool.query(
        "create trigger no_room before update on tokens for each row execute function no_room()",
      );
      try {
        const { status } = await server.call("GET", "/api/v1/me", { token: made.token });
        assert.equal(status, 200);
      } finally {
        await server.pool.query("drop function no_room cascade");
      }
    });

    test("only hashes are stored, and the list does not show the token", async () => {
      const { token } = await server.client.createToken({ name: "hashed" });
      const { rows } = await server.pool.query("select t::text as row from tokens t");
      const stored = JSON.stringify(rows);
      for (const secret of [token, server.token, token.slice(3)])
        assert.ok(
          !stored.includes(secret) && !stored.includes(Buffer.from(secret).toString("hex")),
        );
      assert.ok(!(await server.call("GET", "/api/v1/tokens")).text.includes(token.slice(3)));
    });
  });

  describe("signing in", () => {
    test("there is no default password, and a short one is refused", async () => {
      const { rows } = await server.pool.query("select name, password_hash from users");
      assert.deepEqual(rows, [{ name: "ada", password_hash: null }]);
      for (const password of ["", "admin", "contrail"]) {
        const answer = await server.call("POST", "/api/v1/login", {
          token: null,
          body: { user: "ada", password },
        });
        assert.equal(answer.status, 401, password);
      }
      const short = await server.call("PUT", "/api/v1/me/password", {
        body: { password: "1234567" },
      });
      assert.equal(short.status, 400);
      assert.match(short.problem.detail, /7 characters; the least is 8/);
    });

    test("a password is kept as scrypt and opens the door", async () => {
      const password = "correct horse ünïcode";
      await server.client.setPassword(password);
      const { rows } = await server.pool.query<{ password_hash: string }>(
        "select password_hash from users",
      );
      assert.match(
        rows[0]?.password_hash ?? "",
        /^scrypt\$131072\$8\$1\$[0-9a-f]{32}\$[0-9a-f]{64}$/,
      );
      server.clock.advance(3_600_000);
      const made = await server.client.login({ user: "ada", password: password.normalize("NFD") });
      assert.equal(made.user, "ada");
      assert.equal((await server.call("GET", "/api/v1/me", { token: made.token })).status, 200);
    });

    test("a sign-in link works once and for a quarter of an hour", async () => {
      const again = await server.call("POST", "/api/v1/login", {
        token: null,
        body: { one_time_token: server.oneTimeToken },
      });
      assert.equal(again.status, 401);
      await using late = await testServer({ signIn: false });
      const body = { one_time_token: late.oneTimeToken };
      late.clock.advance(15 * 60_000 + 1);
      assert.equal((await late.call("POST", "/api/v1/login", { token: null, body })).status, 401);
      late.clock.advance(-1_000);
      assert.equal((await late.call("POST", "/api/v1/login", { token: null, body })).status, 200);
    });

    test("who signs in by a link begins their address' count anew", async () => {
      await using other = await testServer({ clockStands: true });
      const follow = async (link: string) => {
        const body = { one_time_token: link };
        return (await other.call("POST", "/api/v1/login", { token: null, body })).status;
      };
      for (let round = 1; round <= 3; round++) {
        for (let i = 0; i < 9; i++) assert.equal(await follow(other.oneTimeToken), 401);
        const made = await other.call("POST", "/api/v1/session/links", { body: {} });
        const { one_time_token: link } = made.json as { one_time_token: string };
        assert.equal(await follow(link), 200, `round ${round}`);
      }
    });

    test("after ten failures each further one costs a wait, for everybody at once", async () => {
      await using other = await testServer({ clockStands: true });
      const guess = (user: string) =>
        other.call("POST", "/api/v1/login", { token: null, body: { user, password: "guessed!" } });
      const answers = await Promise.all(Array.from({ length: 14 }, () => guess("ada")));
      const count = (status: number) => answers.filter((answer) => answer.status === status).length;
      assert.deepEqual({ tried: count(401), delayed: count(429) }, { tried: 10, delayed: 4 });
      const delayed = answers.find((answer) => answer.status === 429);
      assert.equal(delayed?.problem.code, "too_many_attempts");
      assert.ok(Number(delayed?.headers.get("retry-after")) >= 1);
      other.clock.advance(1_500);
      assert.equal((await guess("nobody")).status, 401);
      assert.equal((await guess("nobody")).status, 429, "the address waits twice as long now");
      const inside = new Client({
        url: other.url,
        token: other.token,
        clock: { nowMs: () => 0, monotonicMs: () => 0, after: () => () => undefined },
        newKey: () => "k",
      });
      assert.equal((await inside.me()).user, "ada", "who is signed in goes on working");
    });
  });
});
