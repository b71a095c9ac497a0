/** Who waits for data of S3 while it is fetched, and for whom. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import fs from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { S3Error } from "../store/s3.ts";
import { removeCheckout } from "../store/snapshot.ts";
import { LaunchError } from "./rank-process.ts";
import { S3Data, type S3Version } from "./s3-data.ts";
import { FileTrust } from "./trusted-file.ts";

type Answer = (response: ServerResponse, turn: number) => unknown;

/** An S3, and the data of it on a node. */
async function bench(t: TestContext, answer: Answer, uri = false) {
  const asked: (() => void)[] = [];
  let requests = 0;
  const server = createServer((_request, response) => {
    requests += 1;
    for (const tell of asked.splice(0)) tell();
    answer(response, requests);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const root = mkdtempSync(join(tmpdir(), "contrail-s3-data-"));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    await removeCheckout(root);
  });
  const { port } = server.address() as AddressInfo;
  const environment = { AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` };
  const trust = new FileTrust(0);
  const data = new S3Data({ folder: root, trust, environment });
  const file = { path: "rows.csv", size: 4, hash: null, mtimeNs: null, etag: null };
  const version: S3Version = {
    ...{ name: "train", hash: "one" },
    reference: { kind: "s3", place: "s3://bucket/data", uri, files: [file] },
  };
  return {
    ...{ data, version, trust, requests: () => requests },
    asked: () => new Promise<void>((resolve) => asked.push(resolve)),
  };
}

test("who no longer wants a version waits for nobody who fetches it, and takes nothing from him, though he began it", {
  timeout: 10_000,
}, async (t) => {
  const arriving = Promise.withResolvers<void>();
  const { data, version, asked, requests } = await bench(t, async (response) => {
    response.write("1,");
    await arriving.promise;
    response.end("2\n");
  });
  const isAsked = asked();
  const all = [1, 2, 3].map(() => {
    const stopped = new AbortController();
    return { stopped, folder: data.folder(version, stopped.signal) };
  });
  await isAsked;
  for (const { stopped, folder } of all.slice(0, 2)) {
    stopped.abort(new Error("killed"));
    await assert.rejects(folder, /^Error: killed$/);
  }
  arriving.resolve();
  const folder = (await all[2]?.folder) ?? "";
  assert.equal(readFileSync(join(folder, "rows.csv"), "utf8"), "1,2\n");
  assert.equal(requests(), 1);
});

for (const [what, uri] of [
  ["fetched", false],
  ["looked at", true],
] as const)
  test(`who is the last to want what is ${what} waits for no answer of S3`, {
    timeout: 10_000,
  }, async (t) => {
    const { data, version, asked } = await bench(t, () => {}, uri);
    const stopped = new AbortController();
    const isAsked = asked();
    const wanted = uri
      ? data.differences(version, stopped.signal)
      : data.folder(version, stopped.signal);
    await isAsked;
    stopped.abort(new Error("killed"));
    await assert.rejects(wanted, /^Error: killed$/);
  });

test("what a disk has no room for is not fetched again before there is room for all of it", async (t) => {
  const { data, version, trust, requests } = await bench(t, (response) => response.end("1,2\n"));
  const full = /^Error: ENOSPC: /;
  const { signal } = new AbortController();
  t.mock.method(trust, "stamp").mock.mockImplementationOnce(async () => {
    throw new Error("ENOSPC: no space left on device, write");
  });
  await assert.rejects(data.folder(version, signal), full);
  const free = await fs.statfs(".");
  let bavail = 0;
  t.mock.method(fs, "statfs", async () => ({ ...free, bavail }));
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  for (const _ of [2, 3]) await assert.rejects(data.folder(version, signal), full);
  assert.equal(requests(), 1);
  bavail = 1;
  assert.equal(readFileSync(join(await data.folder(version, signal), "rows.csv"), "utf8"), "1,2\n");
});

const GZIP = { "content-encoding": "gzip" };

test("what a proxy compresses on the way is what is there", async (t) => {
  const { data, version } = await bench(t, (response) => {
    response.writeHead(200, GZIP);
    response.end(gzipSync("1,2\n"));
  });
  const folder = await data.folder(version, new AbortController().signal);
  assert.equal(readFileSync(join(folder, "rows.csv"), "utf8"), "1,2\n");
});

for (const [what, etag, expected, headers] of [
  ["less than was registered", "e", S3Error, {}],
  ["another size, of what has no ETag,", null, LaunchError, {}],
  ["what is kept in a coding that is undone on the way", "e", LaunchError, GZIP],
] as const)
  test(`${what} is ${expected === S3Error ? "fetched again" : "not fetched for ever"}`, async (t) => {
    const { data, version } = await bench(t, (response) => {
      response.writeHead(200, headers);
      const text = "1\n";
      response.end(headers === GZIP ? gzipSync(text) : text);
    });
    const [file] = version.reference.files;
    assert.ok(file);
    const reference = { ...version.reference, files: [{ ...file, etag }] };
    const fetched = data.folder({ ...version, reference }, new AbortController().signal);
    await assert.rejects(fetched, expected);
  });
