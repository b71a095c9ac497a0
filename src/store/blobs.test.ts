import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { BlobError, type BlobStore, openBlobFolder } from "./blobs.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-blob-test-"));
after(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
const newFolder = () => join(root, `store-${folders++}`);
const hashOf = (content: string) => createHash("sha256").update(content).digest("hex");
const pathOf = (folder: string, hash: string) => join(folder, hash.slice(0, 2), hash.slice(2));
async function names(blobs: BlobStore): Promise<string[]> {
  const all: string[] = [];
  for await (const name of blobs.list()) all.push(name);
  return all;
}
const temporaries = (folder: string) => readdirSync(join(folder, "tmp"));

test("what a writer was told is stored stays so while others store the same", async () => {
  const blobs = await openBlobFolder(newFolder());
  for (let round = 0; round < 30; round++) {
    const content = Buffer.from(`round ${round}`);
    const hash = hashOf(content.toString());
    const write = async (delayTurns: number): Promise<void> => {
      for (let turn = 0; turn < delayTurns; turn++) await new Promise(setImmediate);
      await blobs.put(content);
      for (let look = 0; look < 20; look++) {
        assert.equal(await blobs.has(hash), true, `round ${round}, writer ${delayTurns}`);
        await new Promise(setImmediate);
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)));
  }
});

test("who asks while a blob gets its name is told of it when it is durable, and not before", async () => {
  const blobs = await openBlobFolder(newFolder());
  for (let round = 0; round < 100; round++) {
    const content = Buffer.from(`asked ${round}`);
    const hash = hashOf(content.toString());
    let isOver = false;
    const asker = async (): Promise<void> => {
      while (!isOver) {
        if (await blobs.has(hash)) assert.equal(await blobs.has(hash), true, `round ${round}`);
        await new Promise(setImmediate);
      }
    };
    const askers = Array.from({ length: 4 }, asker);
    await blobs.put(content);
    isOver = true;
    await Promise.all(askers);
  }
});

test("what is put in comes out, by its hash, once", async () => {
  const folder = newFolder();
  const blobs = await openBlobFolder(folder);
  for (const content of ["", "hello", "x".repeat(3_000_000)]) {
    const hash = hashOf(content);
    assert.equal(await blobs.has(hash), false);
    assert.equal(await blobs.open(hash), undefined);
    const stored = await blobs.put(
      Readable.from([Buffer.from(content.slice(0, 2)), Buffer.from(content.slice(2))]),
    );
    assert.deepEqual(stored, { hash, size: content.length, existed: false });
    assert.deepEqual(await blobs.put(Buffer.from(content), { expected: hash }), {
      ...stored,
      existed: true,
    });
    assert.deepEqual(await blobs.put(Buffer.from(content)), { ...stored, existed: true });
    const opened = await blobs.open(hash);
    assert.equal(opened?.size, content.length);
    assert.equal(await text(opened!.stream), content);
    assert.equal(await blobs.verify(hash), "intact");
  }
  const part = await blobs.open(hashOf("hello"), { start: 1, end: 3 });
  assert.equal(await text(part!.stream), "ell");
  assert.deepEqual(await blobs.missing([hashOf("no"), hashOf("hello"), hashOf("no")]), [
    hashOf("no"),
  ]);
  assert.deepEqual(
    (await names(blobs)).sort(),
    ["", "hello", "x".repeat(3_000_000)].map(hashOf).sort(),
  );
  assert.equal(await blobs.delete(hashOf("hello")), true);
  assert.equal(await blobs.delete(hashOf("hello")), false);
  assert.equal(await blobs.has(hashOf("hello")), false);
  assert.deepEqual(temporaries(folder), []);
});

test("content that is not what it was announced as is refused, also when the announced one is stored", async () => {
  const folder = newFolder();
  const blobs = await openBlobFolder(folder);
  const wrong = () => blobs.put(Buffer.from("other"), { expected: hashOf("announced") });
  await assert.rejects(wrong(), { name: "BlobError", code: "hash_mismatch" });
  assert.equal(await blobs.has(hashOf("other")), false);
  await blobs.put(Buffer.from("announced"));
  await assert.rejects(wrong(), { code: "hash_mismatch" });
  assert.equal(await blobs.verify(hashOf("announced")), "intact");
  assert.deepEqual(temporaries(folder), []);
});

test("a source that breaks off, or never ends, leaves nothing", async () => {
  const folder = newFolder();
  const blobs = await openBlobFolder(folder, { blobBytesMax: 1000 });
  const broken = Readable.from(
    (async function* () {
      yield Buffer.from("half");
      throw new Error("connection lost");
    })(),
  );
  await assert.rejects(blobs.put(broken), /connection lost/);
  let handedOut = 0;
  const endless = async function* () {
    for (;;) yield Buffer.alloc(100, handedOut++);
  };
  await assert.rejects(blobs.put(endless()), { code: "too_large" });
  assert.equal(handedOut, 11);
  assert.deepEqual(temporaries(folder), []);
  assert.deepEqual(await names(blobs), []);
});

test("writers of the same and of different blobs do not disturb each other", async () => {
  const blobs = await openBlobFolder(newFolder());
  const contents = Array.from({ length: 60 }, (_, at) => `content ${at % 20}`);
  const stored = await Promise.all(contents.map((content) => blobs.put(Buffer.from(content))));
  assert.deepEqual(
    stored.map((blob) => blob.hash),
    contents.map(hashOf),
  );
  for (const content of contents) assert.equal(await blobs.verify(hashOf(content)), "intact");
});

test("a start removes what killed writers left, and nothing of living ones", async () => {
  const folder = newFolder();
  await openBlobFolder(folder);
  const leftovers = ["999999999-0123456789ab-1", `${process.pid}-0123456789ab-7`];
  const alive = `${process.ppid}-0123456789ab-1`;
  for (const name of [...leftovers, alive]) writeFileSync(join(folder, "tmp", name), "torn");
  const blobs = await openBlobFolder(folder);
  assert.deepEqual(temporaries(folder), [alive]);
  assert.deepEqual(await names(blobs), []);
});

test("a blob that rotted on the disk is set aside when it is found, so that the next upload stores it anew", async () => {
  const folder = newFolder();
  const blobs = await openBlobFolder(folder);
  const { hash } = await blobs.put(Buffer.from("precious"));
  const aside = `${pathOf(folder, hash)}.damaged`;
  const rot = () => writeFileSync(pathOf(folder, hash), "precioux");
  rot();
  assert.equal(await blobs.verify(hash), "damaged");
  assert.equal(await blobs.verify(hash), "missing");
  assert.deepEqual(await blobs.missing([hash]), [hash]);
  assert.deepEqual([await blobs.open(hash), await names(blobs)], [undefined, []]);
  assert.equal(readFileSync(aside, "utf8"), "precioux");
  const stored = await blobs.put(Buffer.from("precious"), { expected: hash });
  assert.equal(stored.existed, false);
  assert.equal(await blobs.verify(hash), "intact");
  assert.equal(existsSync(aside), false);
  rot();
  await blobs.verify(hash);
  await blobs.delete(hash);
  assert.equal(existsSync(aside), false, "who deletes it deletes what is left of it");
  assert.equal(await blobs.verify(hashOf("never stored")), "missing");
});

test("what is stored while its damaged copy is read stays", async () => {
  const folder = newFolder();
  const blobs = await openBlobFolder(folder);
  const content = Buffer.from("x".repeat(3_000_000));
  const { hash } = await blobs.put(content);
  writeFileSync(pathOf(folder, hash), "rot".repeat(1_000_000));
  const verified = blobs.verify(hash);
  // Meanwhile somebody else takes it away and stores it anew.
  await blobs.delete(hash);
  await blobs.put(content);
  await verified;
  assert.equal(await blobs.verify(hash), "intact");
});

test("a blob that was cut off is no blob that exists: storing it stores it whole", async () => {
  const folder = newFolder();
  const blobs = await openBlobFolder(folder);
  const content = Buffer.from("precious");
  const { hash } = await blobs.put(content);
  for (const source of [() => content, () => Readable.from([content])]) {
    writeFileSync(pathOf(folder, hash), "prec");
    assert.equal((await blobs.put(source(), { expected: hash })).existed, false);
    assert.equal(await blobs.verify(hash), "intact");
    assert.equal((await blobs.put(source(), { expected: hash })).existed, true);
  }
});

test("names that are not hashes never reach the file system", async () => {
  const folder = newFolder();
  const blobs = await openBlobFolder(folder);
  writeFileSync(join(root, "secret"), "secret");
  const good = hashOf("x");
  for (const name of [
    "",
    "../secret",
    `../${"a".repeat(61)}`,
    "..%2fsecret",
    `${good.slice(0, 62)}/x`,
    `${good}\n`,
    `${good}\0`,
    good.toUpperCase(),
    `${good}a`,
    "..\\..\\secret",
    good.slice(1),
    "․".repeat(64),
  ]) {
    const isRefused = (error: unknown) =>
      error instanceof BlobError && error.code === "invalid_hash";
    await assert.rejects(blobs.has(name), isRefused, JSON.stringify(name));
    await assert.rejects(blobs.open(name), isRefused);
    await assert.rejects(blobs.size(name), isRefused);
    await assert.rejects(blobs.delete(name), isRefused);
    await assert.rejects(blobs.verify(name), isRefused);
    await assert.rejects(blobs.missing([good, name]), isRefused);
    await assert.rejects(blobs.put(Buffer.from("x"), { expected: name }), isRefused);
  }
});

test("links planted in the folder are not followed, for reading and for deleting", async () => {
  const folder = newFolder();
  const blobs = await openBlobFolder(folder);
  const outside = join(root, "outside");
  mkdirSync(outside);
  const hash = hashOf("anything");
  writeFileSync(join(outside, hash.slice(2)), "outside");
  symlinkSync(join(outside, hash.slice(2)), pathOf(folder, hash));
  assert.equal(await blobs.open(hash), undefined);
  assert.equal(await blobs.delete(hash), false);
  const other = hashOf("another");
  writeFileSync(join(outside, other.slice(2)), "outside");
  rmSync(join(folder, other.slice(0, 2)), { recursive: true });
  symlinkSync(outside, join(folder, other.slice(0, 2)));
  assert.equal(await blobs.open(other), undefined);
  assert.equal(await blobs.delete(other), false);
  assert.equal(readFileSync(join(outside, other.slice(2)), "utf8"), "outside");
  assert.equal(statSync(join(outside, hash.slice(2))).isFile(), true);
});

test("an unusable folder is named", async () => {
  const file = join(root, "not-a-folder");
  writeFileSync(file, "");
  await assert.rejects(openBlobFolder(file), { code: "unusable", message: /not-a-folder/ });
});

test("a folder that cannot be read and a leftover that stays keep nothing of the others", async () => {
  const folder = newFolder();
  const blobs = await openBlobFolder(folder);
  const stored = await Promise.all(["a", "b"].map((content) => blobs.put(Buffer.from(content))));
  const unlisted = join(folder, "00");
  rmSync(unlisted, { recursive: true });
  writeFileSync(unlisted, "no folder");
  const unread: unknown[] = [];
  const listed: string[] = [];
  for await (const name of blobs.list((error) => unread.push(error))) listed.push(name);
  assert.deepEqual(listed.sort(), stored.map(({ hash }) => hash).sort());
  assert.match(String(unread), /^Error: ENOTDIR.*00'$/);
  await assert.rejects(names(blobs), { code: "ENOTDIR" }, "who does not ask is told all the same");
  const writer = (number: number) => `${process.pid}-${"0".repeat(12)}-${number}`;
  mkdirSync(join(folder, "tmp", writer(1)));
  writeFileSync(join(folder, "tmp", writer(2)), "half");
  await assert.rejects(blobs.tidy(), { syscall: "unlink" });
  assert.deepEqual(temporaries(folder), [writer(1)]);
});
