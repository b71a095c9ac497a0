/** The web page's files: what is served, with which headers, and what is not. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type TestServer, testServer } from "./test-server.ts";

const SCRIPT = "document.title = 'x';";
const CODE = `console.log("${"x".repeat(200)}");`;

describe("the page", () => {
  let server: TestServer;
  let pageDir: string;
  before(async () => {
    pageDir = join(await mkdtemp(join(tmpdir(), "contrail-page-")), "dist");
    server = await testServer({ pageDir });
  });
  after(async () => {
    await server.stop();
    await rm(join(pageDir, ".."), { recursive: true, force: true });
  });
  const get = (path: string, headers: Record<string, string> = {}) =>
    server.call("GET", path, { token: null, headers });

  async function build(stamp: string): Promise<void> {
    await mkdir(join(pageDir, "assets"), { recursive: true });
    await writeFile(
      join(pageDir, "index.html"),
      `<meta name="csp-nonce" content="__CSP_NONCE__"><script>${SCRIPT}</script>${stamp}`,
    );
    await writeFile(join(pageDir, "assets", "a-1.js"), CODE);
    await writeFile(join(pageDir, "assets", "a-1.js.gz"), gzipSync(CODE));
    await writeFile(join(pageDir, "assets", "notes.txt"), "not a file of the page");
    await writeFile(join(pageDir, "secret.js"), "outside of assets");
    await writeFile(join(pageDir, "pages.json"), '["/experiments/$id"]');
    await writeFile(join(pageDir, "stamp.json"), JSON.stringify({ stamp }));
  }

  test("where it is not built, the server says how, and serves it once it is", async () => {
    const missing = await get("/");
    assert.equal(missing.status, 503);
    assert.match(missing.text, /npm run build/);
    assert.equal((await get("/experiments/3")).status, 401);
    await build("first");
    assert.match((await get("/")).text, /first$/);
  });

  test("the policy lets in the page's own scripts and styles, by hash and by a nonce of this answer", async () => {
    const [one, two] = [await get("/"), await get("/experiments/3?tab=rungs")];
    for (const { status, headers, text } of [one, two]) {
      assert.equal(status, 200);
      assert.equal(headers.get("cache-control"), "no-cache");
      assert.equal(headers.get("x-frame-options"), "DENY");
      assert.equal(headers.get("referrer-policy"), "no-referrer");
      const policy = headers.get("content-security-policy") ?? "";
      const nonce = /content="([\w+/=]{24})"/.exec(text)?.[1];
      assert.ok(nonce, text);
      assert.match(policy, /^default-src 'none'; script-src 'self' 'sha256-[\w+/]{43}='; /);
      assert.ok(policy.includes(`; style-src 'self' 'nonce-${nonce}'; `));
      assert.match(policy, /frame-ancestors 'none'$/);
      assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    }
    assert.notEqual(one.text, two.text, "a nonce is used once");
  });

  test("its files are kept for ever, and sent packed to those who can unpack", async () => {
    const plain = await get("/assets/a-1.js", { "accept-encoding": "identity" });
    assert.equal(plain.text, CODE);
    assert.equal(plain.headers.get("cache-control"), "public, max-age=31536000, immutable");
    assert.equal(plain.headers.get("content-encoding"), null);
    const packed = await get("/assets/a-1.js", { "accept-encoding": "br;q=0, gzip" });
    assert.equal(packed.text, CODE);
    assert.equal(packed.headers.get("content-encoding"), "gzip");
    assert.equal(packed.headers.get("vary"), "accept-encoding");
  });

  test("nothing else is served", async () => {
    for (const [path, status] of [
      ["/assets/a-2.js", 404],
      ["/assets/notes.txt", 404],
      ["/assets/a-1.js.gz", 404],
      ["/assets/..%2fsecret.js", 404],
      ["/assets/../secret.js", 401],
      ["/assets/%2e%2e/secret.js", 401],
      ["/assets/..%5csecret.js", 404],
      ["/assets//etc/passwd", 401],
      ["/assets/", 404],
      ["/secret.js", 401],
      ["/index.html", 401],
      ["/experiments", 401],
      ["/experiments/3/more", 401],
      ["/api/v1/nothing", 401],
      ["/api/v1/experiments/3", 401],
    ] as const)
      assert.equal(await rawStatus(server.url, path), status, path);
    const known = await server.call("GET", "/nowhere");
    assert.equal(known.status, 404, "who is signed in hears that there is no such thing");
  });

  test("a new build is served by the server that runs", async () => {
    await build("second");
    assert.match((await get("/")).text, /second$/);
  });
});

/** As it is, without what fetch makes of the path. */
function rawStatus(url: string, path: string): Promise<number> {
  const { hostname, port } = new URL(url);
  return new Promise((done, fail) => {
    request({ hostname, port, path }, (response) => {
      response.resume();
      done(response.statusCode ?? 0);
    })
      .once("error", fail)
      .end();
  });
}
