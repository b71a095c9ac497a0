/** What ends by itself while a trial is prepared is waited for, in words; what does not ends the launch. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import fs from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import { canonicalReference } from "../store/data-reference.ts";
import { CheckoutError, canonicalTree, removeCheckout } from "../store/snapshot.ts";
import { BlobCache } from "./blob-cache.ts";
import { LaunchError } from "./rank-process.ts";
import { FileTrust } from "./trusted-file.ts";
import { VirtualClock } from "./virtual-clock.ts";
import { Workspace } from "./workspace.ts";

type Answer = (response: ServerResponse) => void;

const says =
  (status: number, code: string): Answer =>
  (response) => {
    response.writeHead(status, { "content-type": "application/xml" });
    response.end(`<Error><Code>${code}</Code><Message>m</Message></Error>`);
  };
const rows: Answer = (response) => void response.end("1,2\n");

/** An S3 that answers so, one request after the other, and a node that wants a file of it. */
async function bench(t: TestContext, answers: readonly Answer[]) {
  const left = [...answers];
  const server = createServer((_request, response) => (left.shift() ?? rows)(response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const root = mkdtempSync(join(tmpdir(), "contrail-passing-"));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    await removeCheckout(root);
  });
  const { port } = server.address() as AddressInfo;
  const blobs = new Map<string, Uint8Array>();
  const [datasets, cacheFolder] = [join(root, "datasets"), join(root, "cache")];
  for (const made of [datasets, cacheFolder]) mkdirSync(made);
  const clock = new VirtualClock();
  const trust = new FileTrust(0);
  const blob = async (hash: string) =>
    (async function* () {
      yield blobs.get(hash) ?? assert.fail(`nobody has ${hash}`);
    })();
  const cache = new BlobCache({ folder: cacheFolder, client: { blob }, clock, trust });
  const workspace = new Workspace({
    ...{ state: { datasets }, cache, clock, trust },
    client: { json: () => assert.fail("the server is asked for blobs alone") },
    environment: { AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` },
  });
  const prepare = async (launch: Partial<LaunchSpec>) => {
    const told: string[] = [];
    const { signal } = new AbortController();
    let over = false;
    const prepared = workspace.prepare(
      { code: null, data: {}, restore: null, entrypoint: [], ...launch } as unknown as LaunchSpec,
      join(root, "trial"),
      { signal, tell: (text) => told.push(text) },
    );
    const end = () => {
      over = true;
    };
    prepared.then(end, end);
    // Whoever waits, waits on this clock.
    while (!over) await clock.turn();
    return { told, prepared: await prepared };
  };
  const file = { path: "rows.csv", size: 4, hash: null, mtimeNs: null, etag: "e" };
  const { bytes, hash } = canonicalReference({
    ...{ kind: "s3", place: "s3://bucket/data", uri: false, files: [file] },
  });
  blobs.set(hash, bytes);
  return {
    blobs,
    cache,
    trust,
    root,
    prepare,
    train: { data: { train: { reference: hash } } },
    left,
  };
}

for (const [name, trouble] of [
  ["a S3 that is asked too often", says(503, "SlowDown")],
  ["a S3 that has a fault", says(500, "InternalError")],
  ["a S3 that heard no end of the request", says(400, "RequestTimeout")],
  ["a proxy before it", (response: ServerResponse) => void response.writeHead(502).end("<html>")],
  ["a connection that breaks", (response: ServerResponse) => void response.destroy()],
  [
    "a connection that breaks in the middle",
    (response: ServerResponse) => {
      response.writeHead(200, { "content-length": "4" });
      response.write("1,", () => response.destroy());
    },
  ],
] as const)
  test(`${name} is waited for, and the trial's output says so once`, async (t) => {
    const { prepare, train } = await bench(
      t,
      Array.from({ length: 7 }, () => trouble),
    );
    const { told, prepared } = await prepare(train);
    assert.equal(readFileSync(join(prepared.data.train as string, "rows.csv"), "utf8"), "1,2\n");
    assert.equal(told.length, 1);
    assert.match(
      told[0] ?? "",
      /^data set train cannot be laid out now, and is tried again: could/,
    );
  });

for (const [status, code] of [
  [403, "AccessDenied"],
  [400, "ExpiredToken"],
  [404, "NoSuchKey"],
  [412, "PreconditionFailed"],
  [501, "NotImplemented"],
] as const)
  test(`${status} ${code} of S3 ends the launch`, async (t) => {
    const { prepare, train, left } = await bench(t, [says(status, code), rows]);
    await assert.rejects(prepare(train), LaunchError);
    assert.equal(left.length, 1);
  });

for (const [code, isWaitedFor] of [
  ["EMFILE", true],
  ["ENOMEM", true],
  ["ESTALE", true],
  ["EIO", true],
  ["EACCES", false],
] as const)
  test(`${code} of the disk ${isWaitedFor ? "is waited for" : "ends the launch"}`, async (t) => {
    const { blobs, cache, prepare } = await bench(t, []);
    const { bytes, hash } = canonicalTree([]);
    blobs.set(hash, bytes);
    const holding = cache.holding.bind(cache);
    let failures = 5;
    cache.holding = async (hashes, work) => {
      if (hashes.length > 0 || failures-- <= 0) return await holding(hashes, work);
      const cause = Object.assign(new Error(`${code}: it says so, open`), { code });
      throw new CheckoutError("failed", `cannot write here: ${cause.message}.`, { cause });
    };
    if (!isWaitedFor) return await assert.rejects(prepare({ code: hash }), LaunchError);
    const { told } = await prepare({ code: hash });
    assert.match(told.join(), new RegExp(`^code cannot be laid out now.*${code}: it says so`));
  });

test("a disk that always says EIO is at its end", async (t) => {
  const { blobs, cache, prepare } = await bench(t, []);
  const { bytes, hash } = canonicalTree([]);
  blobs.set(hash, bytes);
  const holding = cache.holding.bind(cache);
  cache.holding = async (hashes, work) => {
    if (hashes.length > 0) return await holding(hashes, work);
    throw new CheckoutError("failed", "cannot write here: EIO: i/o error, write.");
  };
  await assert.rejects(prepare({ code: hash }), LaunchError);
});

test("content that is damaged at the server is waited for, and the trial's output says so", async (t) => {
  const { blobs, prepare, train } = await bench(t, []);
  const { reference } = train.data.train;
  const good = blobs.get(reference) ?? assert.fail();
  let reads = 0;
  blobs.get = (hash) =>
    reads++ < 5 ? Buffer.from("damaged") : hash === reference ? good : undefined;
  const { told } = await prepare(train);
  assert.match(told.join(), /^data set train cannot .*damaged on the way or at the server/);
});

const of = (code: string): Error => Object.assign(new Error(`${code}: it says so`), { code });

for (const code of ["ESTALE", "EIO", "EAGAIN"])
  for (const [what, folder] of [
    ["its data is fetched", "datasets"],
    ["its list is kept", "cache"],
  ] as const)
    test(`${code} of the disk to which ${what} is waited for, and told`, async (t) => {
      const { trust, prepare, train } = await bench(t, []);
      const { stamp } = trust;
      let failures = 3;
      t.mock.method(trust, "stamp", async (path: string, usedMs?: number) => {
        if (path.includes(`/${folder}/`) && failures-- > 0) throw of(code);
        await stamp.call(trust, path, usedMs);
      });
      const { told } = await prepare(train);
      assert.match(
        told.join(),
        new RegExp(`^data set train cannot be laid out now.*${code}: it says so`),
      );
    });

/** A directory of which the file server says EIO so many times. */
async function referenced(t: TestContext, times: number) {
  const { blobs, prepare, root } = await bench(t, []);
  const place = join(root, "there");
  mkdirSync(place);
  writeFileSync(join(place, "rows.csv"), "1,2\n");
  const digest = createHash("sha256").update("1,2\n").digest("hex");
  const file = { path: "rows.csv", size: 4, hash: digest, mtimeNs: null, etag: null };
  const { bytes, hash } = canonicalReference({
    ...{ kind: "directory", place, uri: false, files: [file] },
  });
  blobs.set(hash, bytes);
  const { realpath } = fs;
  let left = times;
  t.mock.method(fs, "realpath", async (path: string) => {
    if (left-- > 0) throw of("EIO");
    return await realpath(path);
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return prepare({ data: { train: { reference: hash } } });
}

test("a file server under data that stays outside, which answers EIO while it is away, is waited for", async (t) => {
  const { told } = await referenced(t, 5);
  assert.match(told.join(), /^data set train cannot be laid out now.*rows\.csv.*EIO: it says so/);
});

test("data outside of which EIO is always said ends the launch", async (t) => {
  await assert.rejects(referenced(t, Number.POSITIVE_INFINITY), LaunchError);
});
