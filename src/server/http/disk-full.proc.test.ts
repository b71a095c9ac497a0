/** What is said when the disk under the blobs is full (the whole of it: row F9 of `npm run faults`). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { BlobError, type BlobSource, FolderBlobStore } from "../../store/blobs.ts";
import { RANDOM_CONFIG, testServer } from "./test-server.ts";

test("a full disk is told as 507, also while the body is still on its way, and inside a sync", async (t) => {
  await using server = await testServer();
  const { client, runner } = server;
  await client.createExperiment({ config: RANDOM_CONFIG, code: null, activate: true });
  await runner.started("1.1.1");
  const model = new TextEncoder().encode("m");
  const file = createHash("sha256").update(model).digest("hex");
  await client.putBlob(file, new Blob([model]));
  t.mock.method(FolderBlobStore.prototype, "put", async (source: BlobSource) => {
    // As a disk does: it takes the beginning.
    for await (const _bytes of source instanceof Uint8Array ? [source] : source)
      throw new BlobError("disk_full", "no space left");
  });
  // More than comes with the head of the request.
  const bytes = new Uint8Array(1 << 20);
  const hash = createHash("sha256").update(bytes).digest("hex");
  await assert.rejects(client.putBlob(hash, new Blob([bytes])), { code: "disk_full", status: 507 });
  const tree = [{ path: "model.bin", size: 1, hash: file, executable: false }];
  const event = { type: "checkpoint", step: 1, tree, metadata: {} };
  const answer = await runner.send("1.1.1", event);
  assert.equal(answer.status, 507, answer.text);
  assert.equal((await client.trial("1.1")).checkpoint, null);
  t.mock.restoreAll();
  await client.putBlob(hash, new Blob([bytes]));
  assert.equal((await runner.send("1.1.1", event)).status, 200);
});
