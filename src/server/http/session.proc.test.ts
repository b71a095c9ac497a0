/** Sessions of browsers (row S5 of the matrix): who may use the cookie, and from which page. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { SESSION_LIFETIME_MS } from "../access.ts";
import { type Answer, RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

describe("a browser's session", () => {
  let server: TestServer;
  let origin: string;
  before(async () => {
    server = await testServer();
    origin = server.url;
  });
  after(() => server.stop());

  const own = () => ({ origin, "sec-fetch-site": "same-origin" });
  const post = (path: string, body: unknown, headers: Record<string, string>) =>
    server.call("POST", path, { token: null, body, headers });
  const get = (path: string, headers: Record<string, string>) =>
    server.call("GET", path, { token: null, headers });

  async function signIn(): Promise<{ cookie: string; answer: Answer }> {
    const { one_time_token } = await server.client.signInLink();
    const answer = await post("/api/v1/session", { one_time_token }, own());
    assert.equal(answer.status, 200, answer.text);
    const [cookie = ""] = (answer.headers.get("set-cookie") ?? "").split(";");
    return { cookie, answer };
  }

  test("the cookie is out of reach of scripts and of other sites, and opens the API", async () => {
    const { cookie, answer } = await signIn();
    const set = answer.headers.get("set-cookie") ?? "";
    const port = new URL(server.url).port;
    assert.match(set, new RegExp(`^contrail_session_${port}=cu_[\\w-]{43}; Path=/api/v1; `));
    assert.match(set, /; HttpOnly; SameSite=Strict$/);
    assert.ok(!answer.text.includes("cu_"), "the token is in the cookie alone");
    const me = await get("/api/v1/me", { cookie, ...own() });
    assert.deepEqual(me.json, { user: "ada", scope: "user" });
    const session = await get("/api/v1/session", { cookie, ...own() });
    assert.deepEqual(session.json, { signed_in: { user: "ada", scope: "user" } });
    const nobody = await get("/api/v1/session", own());
    assert.deepEqual(nobody.json, { signed_in: null });
    assert.equal(me.headers.get("access-control-allow-origin"), null);
    const config = { config: RANDOM_CONFIG, code: null, dry_run: true };
    assert.equal((await post("/api/v1/experiments", config, { cookie, ...own() })).status, 200);
  });

  test("behind TLS the cookie is for TLS alone", async () => {
    const { one_time_token } = await server.client.signInLink();
    const headers = { origin: origin.replace("http:", "https:") };
    const answer = await post("/api/v1/session", { one_time_token }, headers);
    assert.match(answer.headers.get("set-cookie") ?? "", /; Secure$/);
  });

  test("a request that another page sent is refused, and no origin is echoed", async () => {
    const { cookie } = await signIn();
    const config = { config: RANDOM_CONFIG, code: null, dry_run: true };
    const elsewhere: Record<string, string>[] = [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: "http://127.0.0.1:1" },
      { origin: "http://localhost" },
      { origin: `${origin}.evil.example` },
      { "sec-fetch-site": "cross-site" },
      { origin, "sec-fetch-site": "cross-site" },
      { origin, "sec-fetch-site": "same-site" },
    ];
    for (const headers of elsewhere)
      for (const answer of [
        await post("/api/v1/experiments", config, { cookie, ...headers }),
        await get("/api/v1/me", { cookie, ...headers }),
      ]) {
        assert.equal(answer.status, 403, JSON.stringify(headers));
        assert.equal(answer.headers.get("access-control-allow-origin"), null);
        assert.equal(answer.headers.get("access-control-allow-credentials"), null);
      }
    const silent = await post("/api/v1/experiments", config, { cookie });
    assert.equal(silent.status, 403, "a change has to say where it comes from");
    assert.match(silent.problem.detail, /names no origin/);
    const typed = await get("/api/v1/me", { cookie, "sec-fetch-site": "none" });
    assert.equal(typed.status, 200, "an address typed by hand may look");
  });

  test("nobody can be signed in from another page", async () => {
    const { one_time_token } = await server.client.signInLink();
    const headers = { origin: "https://evil.example" };
    const refused = await post("/api/v1/session", { one_time_token }, headers);
    assert.equal(refused.status, 403);
    assert.equal(refused.headers.get("set-cookie"), null);
    assert.equal((await post("/api/v1/session", { one_time_token }, own())).status, 200);
    assert.equal((await post("/api/v1/session", { one_time_token }, own())).status, 401);
  });

  test("a token in the header goes on as it is, whatever page asks", async () => {
    const headers = { origin: "https://evil.example", cookie: "contrail_session=cu_x" };
    assert.equal((await server.call("GET", "/api/v1/me", { headers })).status, 200);
  });

  test("the cookie of another server on this machine, and of another kind, opens nothing", async () => {
    const { cookie } = await signIn();
    const token = cookie.slice(cookie.indexOf("=") + 1);
    const port = new URL(server.url).port;
    for (const other of [
      `contrail_session=${token}`,
      `contrail_session_1=${token}`,
      `x=${token}`,
      `contrail_session_${port}=${server.runner.token}`,
      `contrail_session_${port}=`,
    ])
      assert.equal((await get("/api/v1/me", { cookie: other, ...own() })).status, 401, other);
  });

  test("signing out ends it, and both are in the log of changes", async () => {
    const { cookie } = await signIn();
    assert.equal((await server.call("DELETE", "/api/v1/session")).status, 400, "a token stays");
    const out = await server.call("DELETE", "/api/v1/session", {
      token: null,
      headers: { cookie, ...own() },
    });
    assert.equal(out.status, 204);
    assert.match(out.headers.get("set-cookie") ?? "", /=; Path=\/api\/v1; Max-Age=0; /);
    assert.equal((await get("/api/v1/me", { cookie, ...own() })).status, 401);
    const { items } = await server.client.audit({ limit: 3 });
    assert.deepEqual(
      items.map(({ actor, what }) => [actor, what]),
      [
        ["ada", "signed out"],
        ["ada", "signed in"],
        ["ada", "sign-in link made"],
      ],
    );
  });

  test("it ends by itself after two weeks", async () => {
    const { cookie } = await signIn();
    server.clock.advance(SESSION_LIFETIME_MS - 60_000);
    assert.equal((await get("/api/v1/me", { cookie, ...own() })).status, 200);
    server.clock.advance(61_000);
    assert.equal((await get("/api/v1/me", { cookie, ...own() })).status, 401);
  });
});
