import assert from "node:assert/strict";
import { mkdtemp, open, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, test } from "node:test";
import type { OpenContent } from "../base/content.ts";
import { filePart } from "./file-part.ts";

const MIB = 1024 ** 2;
const LARGE_BYTES = 5_000_000_003;
const MARK_AT = 2 ** 32 + 12_345;
const MARK = Buffer.from("beyond what 32 bits can count");

let folder = "";
/** Costs nothing: all but two pages of it are a hole. */
let large = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "contrail-parts-"));
  large = join(folder, "large");
  const file = await open(large, "w");
  await file.write(MARK, 0, MARK.length, MARK_AT);
  await file.write(Buffer.from("end"), 0, 3, LARGE_BYTES - 3);
  await file.close();
});
after(() => rm(folder, { recursive: true }));

const bytesOf = async ({ body, close }: OpenContent): Promise<Buffer> => {
  const bytes = body instanceof Uint8Array ? Buffer.from(body) : await buffer(body);
  await close();
  return bytes;
};

test("a small part beyond 4 GiB is the bytes that stand there", async () => {
  const part = filePart({ path: large, offset: MARK_AT, size: MARK.length });
  const opened = await part.open();
  assert(opened.body instanceof Uint8Array);
  assert.deepEqual(await bytesOf(opened), MARK);
});

test("a large part over the 4 GiB mark and to the end of the file is whole, each time it is opened", async () => {
  const offset = 2 ** 32 - MIB;
  const over = filePart({ path: large, offset, size: 9 * MIB });
  for (let attempt = 1; attempt <= 2; attempt++) {
    const opened = await over.open();
    assert(opened.body instanceof ReadableStream);
    const bytes = await bytesOf(opened);
    assert.equal(bytes.length, 9 * MIB);
    assert.equal(bytes.indexOf(MARK), MARK_AT - offset);
  }
  const last = filePart({ path: large, offset: LARGE_BYTES - 9 * MIB, size: 9 * MIB });
  const end = await bytesOf(await last.open());
  assert.equal(end.subarray(-3).toString(), "end");
});

test("the whole of a file of 5 GB has the size that it was given", async () => {
  const whole = filePart({ path: large, size: LARGE_BYTES });
  assert.equal(whole.size, LARGE_BYTES);
  const { body, close } = await whole.open();
  assert(body instanceof ReadableStream);
  const reader = body.getReader();
  assert.ok(((await reader.read()).value?.length ?? 0) > 0);
  await close();
  await assert.rejects(reader.read(), { name: "ContentError" });
});

test("a file that became shorter, is gone, or is a link by now says so", async () => {
  const path = join(folder, "short");
  await writeFile(path, Buffer.alloc(9 * MIB));
  const small = filePart({ path, offset: MIB, size: MIB });
  const whole = filePart({ path, size: 9 * MIB });
  await truncate(path, MIB + 7);
  await assert.rejects(small.open(), {
    name: "ContentError",
    message: /short ends at byte 1048583 by now; it had at least 2097152 /,
  });
  await assert.rejects(bytesOf(await whole.open()), { name: "ContentError", message: /ends at/ });
  await rm(path);
  await assert.rejects(whole.open(), { name: "ContentError", message: /cannot be read: ENOENT/ });
  await symlink(large, path);
  await assert.rejects(whole.open(), { name: "ContentError", message: /cannot be read: ELOOP/ });
});
