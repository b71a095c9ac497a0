/** Versions of data over HTTP, on a real database and a real folder of blobs. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { JsonObject } from "../../base/json.ts";
import type { DatasetDifference } from "../../protocol/api.ts";
import type { DataReference, Tree } from "../../protocol/runner-wire.ts";
import type { RemoteError } from "../../sdk/remote-error.ts";
import { openBlobFolder } from "../../store/blobs.ts";
import { scanFolder } from "../../store/snapshot.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "../http/test-server.ts";
import { verifyData } from "./verify.ts";

const sha256 = (bytes: Uint8Array | string): string =>
  createHash("sha256").update(bytes).digest("hex");
const MIB = 1024 * 1024;

describe("datasets", () => {
  let server: TestServer;
  const root = mkdtempSync(join(tmpdir(), "contrail-datasets-"));
  before(async () => {
    server = await testServer();
  });
  after(async () => {
    await server.stop();
    rmSync(root, { recursive: true, force: true });
  });

  const blobPath = (hash: string): string =>
    join(server.dataDir, "blobs", hash.slice(0, 2), hash.slice(2));

  /** Sends what the server lacks. @returns how many bytes that were */
  async function send(tree: Tree, contentOf: (path: string) => Uint8Array): Promise<number> {
    let sent = 0;
    for (const { path, hash, size, chunks } of tree) {
      let at = 0;
      for (const part of chunks ?? [{ hash, size }]) {
        const bytes = contentOf(path).subarray(at, at + part.size);
        at += part.size;
        if ((await server.client.missingBlobs([part.hash])).length === 0) continue;
        await server.client.putBlob(part.hash, new Uint8Array(bytes));
        sent += bytes.length;
      }
    }
    return sent;
  }

  async function textDataset(name: string, files: Record<string, string>) {
    const tree = Object.entries(files).map(([path, text]) => ({
      ...{ path, size: Buffer.byteLength(text), hash: sha256(text) },
    }));
    await send(
      tree.map((entry) => ({ ...entry, executable: false })),
      (path) => Buffer.from(files[path] ?? ""),
    );
    return await server.client.createDataset({ name, tree });
  }

  async function verified(name: string, version: number, full = true) {
    const differences: DatasetDifference[] = [];
    let files = 0;
    let after: number | null = 0;
    while (after !== null) {
      const reply = await server.client.verifyDataset({ name, version }, { after, full });
      files += reply.files;
      differences.push(...reply.differences);
      after = reply.next;
    }
    return { files, differences };
  }

  async function scanned(folder: string, chunked: boolean) {
    const result = await scanFolder(folder, { ignoreFile: null, ignore: [], chunked });
    assert(result.ok);
    return result.folder;
  }

  test("a byte changed in a large file sends a part of it, and damage to one is found by name", async () => {
    const folder = mkdtempSync(join(root, "large-"));
    const large = Buffer.alloc(24 * MIB);
    for (let i = 0; i < large.length; i += 4) large.writeUInt32LE((i * 2654435761) >>> 0, i);
    const path = join(folder, "large.bin");
    writeFileSync(path, large);
    writeFileSync(join(folder, "small"), "s");
    const first = (await scanned(folder, true)).tree;
    const content = (name: string) => (name === "small" ? Buffer.from("s") : large);
    assert.equal(await send(first, content), large.length + 1);
    const one = await server.client.createDataset({ name: "large", tree: first });

    large[10_000_000] = 0xaa;
    writeFileSync(path, large);
    const second = (await scanned(folder, true)).tree;
    const sent = await send(second, content);
    assert.ok(sent > 0 && sent <= 8 * MIB, `${sent} bytes`);
    const two = await server.client.createDataset({ name: "large", tree: second });
    assert.deepEqual([one.version, two.version], [1, 2]);
    assert.notEqual(one.content, two.content);
    assert.deepEqual(await verified("large", 2), { files: 2, differences: [] });
    // A file in parts is found by its own hash, and a version by its content.
    const found = await server.client.whence(second[0]?.hash ?? "");
    assert.deepEqual([found.size, found.stored], [large.length, true]);
    const named = found.datasets.map(({ name, version, path: file }) => [name, version, file]);
    assert.deepEqual(named, [["large", 2, "large.bin"]]);
    assert.equal((await server.client.whence(two.content)).datasets[0]?.version, 2);

    const part = second[0]?.chunks?.[1];
    assert(part);
    writeFileSync(blobPath(part.hash), Buffer.alloc(part.size, 1));
    const { files, differences } = await verified("large", 2);
    assert.equal(files, 2);
    assert.deepEqual(
      differences.map(({ path: name, code, expected }) => [name, code, expected]),
      [["large.bin", "changed", part.hash]],
    );
    assert.match(differences[0]?.message ?? "", /part 1 of its content/);
    // From now on it counts as lost, so that whoever has the original can store it again.
    assert.equal((await verified("large", 2, false)).differences[0]?.code, "missing");
    const again = async (): Promise<void> => {
      assert.equal(await send(second, content), part.size);
      const { version } = await server.client.createDataset({ name: "large", tree: second });
      assert.equal(version, 2);
      assert.deepEqual(await verified("large", 2), { files: 2, differences: [] });
    };
    await again();
    // One that was cut off is found by its size, and is set aside as well.
    writeFileSync(blobPath(part.hash), "cut off");
    assert.equal((await verified("large", 2, false)).differences[0]?.code, "changed");
    await again();
  });

  test("the same content is the version that it was, however it is cut", async () => {
    const text = "the same in one piece or in two";
    const bytes = Buffer.from(text);
    const halves = [bytes.subarray(0, 10), bytes.subarray(10)];
    for (const blob of [bytes, ...halves])
      await server.client.putBlob(sha256(blob), new Uint8Array(blob));
    const entry = { path: "a", size: bytes.length, hash: sha256(bytes) };
    const chunks = halves.map((half) => ({ hash: sha256(half), size: half.length }));
    const whole = await server.client.createDataset({ name: "cut", tree: [entry] });
    const cut = await server.client.createDataset({ name: "cut", tree: [{ ...entry, chunks }] });
    assert.deepEqual([whole.created, cut.created, cut.version], [true, false, 1]);
    assert.equal(cut.snapshot, whole.snapshot);
  });

  test("what was computed about it is shown with it, and what no database holds is refused", async () => {
    const tree = [{ path: "a", size: 1, hash: sha256("x") }];
    await server.client.putBlob(sha256("x"), "x");
    const group = { name: ".csv", files: 1, bytes: 1 };
    const statistics = { extensions: [group], classes: [], tables: [], tables_left_out: 0 };
    await server.client.createDataset({ name: "counted", tree, statistics });
    const shown = await server.client.dataset({ name: "counted", version: "latest" });
    assert.deepEqual(shown.statistics, statistics);
    assert.equal(shown.created_by, "ada");
    const bad = { ...statistics, extensions: [{ ...group, name: "\0" }] };
    await assert.rejects(
      server.client.createDataset({ name: "counted", tree, statistics: bad }),
      (error: RemoteError) => error.code === "invalid_request",
    );
  });

  test("a version in use is removed by name only; its number is not given again, its bytes go", async () => {
    const one = await textDataset("used", { a: "used one" });
    const two = await textDataset("used", { a: "used two" });
    const { experiment } = await server.client.createExperiment({
      config: `${RANDOM_CONFIG}\ndata: {train: used@2, also: used@latest, n: 3}\n`,
      ...{ code: null, activate: false },
    });
    assert(experiment);
    const shown = await server.client.dataset({ name: "used", version: 2 });
    assert.deepEqual(
      [shown.used_by_total, shown.used_by.map(({ experiment: id, as }) => [id, as])],
      [1, [[experiment.id, ["also", "train"]]]],
    );
    assert.equal((await server.client.dataset({ name: "used", version: 1 })).used_by_total, 0);
    const whence = await server.client.whence(sha256("used two"));
    assert.deepEqual(whence.datasets[0]?.used_by, [experiment.id]);

    await assert.rejects(
      server.client.removeDataset({ name: "used", version: 2 }),
      (error: RemoteError) =>
        error.code === "conflict" && error.message.includes(`experiment ${experiment.id}`),
    );
    await assert.rejects(server.client.removeDataset({ name: "used", version: 2 }, "used@1"));
    const removed = await server.client.removeDataset({ name: "used", version: 2 }, "used@2");
    assert.equal(removed.removed?.by, "ada");
    // Twice is once.
    assert.deepEqual(await server.client.removeDataset({ name: "used", version: 2 }), removed);
    assert.equal((await server.client.dataset({ name: "used", version: "latest" })).version, 1);
    assert.deepEqual(
      (await server.client.datasets({ name: "used" })).items.map(({ version }) => version),
      [1],
    );
    assert.deepEqual(
      (await server.client.datasets({ name: "used", removed: true })).items.length,
      2,
    );
    await assert.rejects(
      server.client.createExperiment({
        config: `${RANDOM_CONFIG}\ndata: {train: used@2}\n`,
        code: null,
      }),
      /used@2 was removed by ada/,
    );
    await assert.rejects(
      server.client.verifyDataset({ name: "used", version: 2 }),
      (error: RemoteError) => error.code === "deleted",
    );
    const again = await textDataset("used", { a: "used two" });
    assert.equal(again.version, 3);
    assert.equal(one.version, 1);
    await server.client.removeDataset({ name: "used", version: 3 });

    const blob = blobPath(sha256("used two"));
    server.clock.advance(25 * 3600 * 1000);
    await gc();
    assert.ok(statSync(blob).isFile(), "the experiment has not ended");
    await server.client.changeExperiment(experiment.id, "cancel");
    await until(async () => (await server.client.experiment(experiment.id)).ended_at !== null);
    await gc();
    assert.equal(statSync(blob, { throwIfNoEntry: false }), undefined);
    assert.ok(statSync(blobPath(sha256("used one"))).isFile());
    const said = (await server.client.audit({ limit: 500 })).items
      .filter(({ subject }) => subject === "dataset used@2")
      .map(({ what, actor, cause }) => [what, actor, cause]);
    assert.deepEqual(said[0], ["removed", "ada", "by force, used by 1 experiments"]);
    assert.equal(two.version, 2);
  });

  async function gc(): Promise<void> {
    await server.client.startGc();
    await until(async () => (await server.client.gcRun()).state === "idle");
  }

  async function until(look: () => Promise<boolean>): Promise<void> {
    for (let i = 0; i < 2_400; i++) {
      if (await look()) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    assert.fail("it never came to this");
  }

  async function reference(folder: string): Promise<DataReference> {
    const { tree, mtimes } = await scanned(folder, false);
    const files = tree.map(({ path, size, hash }) => ({
      ...{ path, size, hash, etag: null, mtimeNs: String(mtimes.get(path)) },
    }));
    return { kind: "directory", place: folder, uri: false, files };
  }

  test("by reference nothing is copied, and a file that changed is named with both hashes", async () => {
    const folder = mkdtempSync(join(root, "referenced-"));
    writeFileSync(join(folder, "labels.csv"), "a,b\n1,2\n");
    writeFileSync(join(folder, "other"), "other");
    const before = await storedBlobs();
    utimesSync(join(folder, "labels.csv"), 5, 5);
    const made = await server.client.createDataset({
      name: "far",
      reference: await reference(folder),
    });
    assert.deepEqual([made.kind, made.place, made.files, made.bytes], ["directory", folder, 2, 13]);
    assert.deepEqual(await storedBlobs(), before + 1, "its list alone");
    // The same files, stored, have the same content.
    const stored = await textDataset("near", { "labels.csv": "a,b\n1,2\n", other: "other" });
    assert.equal(stored.content, made.content);

    const { experiment } = await server.client.createExperiment({
      config: `${RANDOM_CONFIG}\ndata: {train: far@latest}\n`,
      code: null,
    });
    assert(experiment);
    const data = { train: { snapshot: made.snapshot, dataset: "far@1", kind: "directory" } };
    const detail = await server.client.experiment(experiment.id);
    assert.deepEqual(detail.data, data);
    const orders = await server.runner.orders();
    const launch = orders.orders.find(({ launch: spec }) => spec?.data.train)?.launch;
    assert.deepEqual(launch?.data, { train: { reference: made.snapshot } });

    assert.deepEqual(await verified("far", 1), { files: 2, differences: [] });
    utimesSync(join(folder, "other"), 1, 1);
    assert.deepEqual((await verified("far", 1, false)).differences, []);
    writeFileSync(join(folder, "labels.csv"), "a,b\n1,3\n");
    rmSync(join(folder, "other"));
    const context = {
      ...{ readPool: server.pool, blobs: await openBlobFolder(join(server.dataDir, "blobs")) },
      ...{ clock: { monotonicMs: () => performance.now() }, environment: {} },
    };
    for (const full of [false, true]) {
      const faults = await verifyData(context, data as unknown as JsonObject, { full });
      assert.deepEqual(
        faults.map(({ dataset, path, code }) => [dataset, path, code]),
        [
          ["far@1", "labels.csv", "changed"],
          ["far@1", "other", "missing"],
        ],
      );
      assert.ok(faults[0]?.message.includes(sha256("a,b\n1,2\n")));
      assert.equal(faults[0]?.found, sha256("a,b\n1,3\n"));
    }
    // With the time set back only reading tells.
    utimesSync(join(folder, "labels.csv"), 5, 5);
    const seen = async (full: boolean | "references") =>
      (await verifyData(context, data as unknown as JsonObject, { full })).map(({ path }) => path);
    assert.deepEqual(await seen(false), ["other"]);
    assert.deepEqual(await seen("references"), ["labels.csv", "other"]);
    // Whatever it is called: another server counts versions on its own.
    const renamed = { train: { ...data.train, dataset: "nowhere@4" } };
    assert.deepEqual(
      (await verifyData(context, renamed, { full: false })).map(({ path }) => path),
      ["other"],
    );
    const gone = { train: { snapshot: "0".repeat(64), dataset: "near@1" } };
    assert.match(
      (await verifyData(context, gone, { full: false }))[0]?.message ?? "",
      /no dataset version here has its snapshot 000000000000/,
    );
  });

  async function storedBlobs(): Promise<number> {
    let count = 0;
    const folder = join(server.dataDir, "blobs");
    for (const name of readdirSync(folder))
      if (/^[0-9a-f]{2}$/.test(name)) count += readdirSync(join(folder, name)).length;
    return count;
  }

  test("a reference that says nothing certain, or leads elsewhere, is refused", async () => {
    const file = { path: "a", size: 1, hash: sha256("a"), mtimeNs: "1", etag: null };
    for (const [bad, says] of [
      [{ kind: "directory", place: "not/absolute", files: [file] }, /not an absolute path/],
      [
        { kind: "directory", place: "/x", files: [{ ...file, hash: null }] },
        /nothing that would tell/,
      ],
      [{ kind: "directory", place: "/x", files: [{ ...file, path: "../a" }] }, /contains "\.\."/],
      [{ kind: "s3", place: "https://x/y", files: [{ ...file, etag: "e" }] }, /s3:\/\/bucket/],
      [{ kind: "s3", place: "s3://bucket/x", files: [file] }, /nothing that would tell/],
    ] as const)
      await assert.rejects(
        server.client.createDataset({
          name: "bad",
          reference: { ...bad, files: [...bad.files] } as DataReference,
        }),
        says,
      );
    const answer = await server.call("POST", "/api/v1/datasets", { body: { name: "bad" } });
    assert.match(answer.text, /either `tree` or `reference`/);
  });
});
