/** Row I4 at the server: every door by which a list of files comes in refuses the whole of a hostile one. */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TreeEntry } from "../../protocol/runner-wire.ts";
import { openBlobFolder } from "../../store/blobs.ts";
import {
  CONTENT,
  CONTENT_HASH,
  fileAt,
  HOSTILE_PARTS,
  HOSTILE_TREES,
} from "../../store/test-trees.ts";
import { type Answer, RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

/** So many entries make a body that is still read. */
const ENTRIES_SENT_MAX = 300_000;

async function storedBlobs(server: TestServer): Promise<string[]> {
  const names: string[] = [];
  for await (const name of (await openBlobFolder(join(server.dataDir, "blobs"))).list())
    names.push(name);
  return names.sort();
}

const DOORS: Readonly<
  Record<string, (server: TestServer, tree: readonly TreeEntry[]) => Promise<Answer>>
> = {
  "as code": (server, code) =>
    server.call("POST", "/api/v1/experiments", { body: { config: RANDOM_CONFIG, code } }),
  "as code in a dry run": (server, code) =>
    server.call("POST", "/api/v1/experiments", {
      body: { config: RANDOM_CONFIG, code, dry_run: true },
    }),
  "as a data set": (server, tree) =>
    server.call("POST", "/api/v1/datasets", { body: { name: "d", tree } }),
  "as a checkpoint": (server, tree) =>
    server.runner.send("1.1.1", { type: "checkpoint", step: 1, tree, metadata: {} }),
};

describe("a list of files that nobody may unpack", () => {
  for (const [door, send] of Object.entries(DOORS))
    test(`${door} is refused, and nothing of it is kept`, async (t) => {
      await using server = await testServer();
      await server.client.putBlob(CONTENT_HASH, CONTENT);
      await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
      await server.runner.started("1.1.1");
      const before = await storedBlobs(server);
      let slowest = { name: "", ms: 0 };
      const hostile = { ...HOSTILE_TREES, ...HOSTILE_PARTS };
      for (const [name, make] of Object.entries(hostile)) {
        const tree = make().slice(0, ENTRIES_SENT_MAX);
        for (const entry of tree) entry.chunks?.splice(ENTRIES_SENT_MAX);
        const began = performance.now();
        const answer = await send(server, tree);
        const ms = performance.now() - began;
        if (ms > slowest.ms) slowest = { name, ms };
        assert.equal(answer.status, 400, `${name}: ${answer.text.slice(0, 300)}`);
        assert.equal(answer.problem.code, "invalid_request", name);
        assert.ok(answer.text.length < 1024 * 1024, `${name}: ${answer.text.length}`);
      }
      assert.deepEqual(await storedBlobs(server), before);
      assert.equal((await server.client.experiments()).items.length, 1);
      assert.deepEqual((await server.client.datasets()).items, []);
      assert.deepEqual((await server.client.trialCheckpoints("1.1")).items, []);
      const count = Object.keys(hostile).length;
      t.diagnostic(
        `I4: ${door}: ${count} of ${count} refused, 0 blobs kept, slowest ${slowest.ms.toFixed(0)} ms (${slowest.name})`,
      );
    });

  test("more entries than a body may hold are refused before they are read", async () => {
    await using server = await testServer();
    const headers = { "content-type": "application/json" };
    const entry = JSON.stringify(fileAt("x".repeat(60)));
    const raw = `{"name": "d", "tree": [${Array(400_000).fill(entry).join(",")}]}`;
    assert.ok(raw.length > 64 * 1024 * 1024);
    const answer = await server
      .call("POST", "/api/v1/datasets", { raw, headers })
      .catch((error: Error) => error);
    // The connection may break off under the sending side before it reads the answer.
    if (!(answer instanceof Error)) assert.equal(answer.status, 413);
    assert.equal((await server.call("GET", "/api/v1/me")).status, 200);
  });

  test("with a size that is not its content's is refused by name", async () => {
    await using server = await testServer();
    await server.client.putBlob(CONTENT_HASH, CONTENT);
    for (const size of [0, 1, 2 ** 40]) {
      const tree = [fileAt("good"), fileAt("lie", { size })];
      for (const door of ["as code", "as a data set"]) {
        const answer = await DOORS[door]?.(server, tree);
        assert.equal(answer?.status, 400, door);
        assert.match(answer?.problem.detail ?? "", new RegExp(`lie of .* with ${size} bytes`));
      }
    }
    const lie = fileAt("lie", { size: 1, chunks: [{ hash: CONTENT_HASH, size: 1 }] });
    const parts = await DOORS["as a data set"]?.(server, [lie]);
    assert.match(parts?.problem.detail ?? "", /lie of .* with 1 bytes/);
  });
});

test("links planted in the blob store lead no door outside: not to read, not to write, not to delete", async (t) => {
  await using server = await testServer();
  const outside = join(server.dataDir, "outside-folder");
  await mkdir(outside);
  const canary = join(outside, CONTENT_HASH.slice(2));
  await writeFile(canary, "outside-canary");
  const folder = join(server.dataDir, "blobs", CONTENT_HASH.slice(0, 2));
  await rm(folder, { recursive: true });
  await symlink(outside, folder);
  assert.equal((await server.call("GET", `/api/v1/blobs/${CONTENT_HASH}`)).status, 404);
  assert.deepEqual(await server.client.missingBlobs([CONTENT_HASH]), [CONTENT_HASH]);
  const put = await server.call("PUT", `/api/v1/blobs/${CONTENT_HASH}`, {
    raw: CONTENT,
    headers: { "content-type": "application/octet-stream" },
  });
  assert.equal(put.status, 500, "the store is broken, and that is no fault of the request");
  const blobs = await openBlobFolder(join(server.dataDir, "blobs"));
  assert.equal(await blobs.delete(CONTENT_HASH), false);
  assert.equal(await readFile(canary, "utf8"), "outside-canary");
  assert.deepEqual(await readdir(outside), [CONTENT_HASH.slice(2)]);
  t.diagnostic("I5: a link planted in the blob store: 0 bytes read, written or deleted behind it");
});
