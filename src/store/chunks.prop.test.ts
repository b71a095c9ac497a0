/** However a file's bytes arrive, its parts put together are the file; what did not change in it stays the same parts. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { TreeChunk } from "../protocol/runner-wire.ts";
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, chunkBuffers, readInChunks } from "./chunks.ts";

const MIB = 1024 * 1024;
const SEED = 20260301;
const buffers = chunkBuffers();
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Bytes without any order in them, the same for each seed. */
function noise(size: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4));
  let x = seed | 1;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return Buffer.from(words.buffer, 0, size);
}

/** A file that gives at most so many bytes at once, as a pipe or a slow disk may. */
const fileOf = (content: Buffer, atOnce = Number.POSITIVE_INFINITY): Pick<FileHandle, "read"> => ({
  read: (async (buffer: Buffer, offset: number, length: number, position: number) => {
    const end = position + Math.min(length, atOnce);
    return { buffer, bytesRead: content.copy(buffer, offset, position, end) };
  }) as unknown as FileHandle["read"],
});

function assertParts(content: Buffer, chunks: readonly TreeChunk[]): void {
  let at = 0;
  for (const [index, { hash, size }] of chunks.entries()) {
    assert.equal(hash, sha256(content.subarray(at, at + size)), `part ${index}`);
    assert.ok(size > 0 && size <= CHUNK_BYTES_MAX);
    if (index < chunks.length - 1) assert.ok(size >= CHUNK_BYTES_MIN, `part ${index}: ${size}`);
    at += size;
  }
  assert.equal(at, content.length);
}

/** Bytes of `to` that are in parts which `from` does not have. */
function newBytes(from: readonly TreeChunk[], to: readonly TreeChunk[]): number {
  const known = new Set(from.map(({ hash }) => hash));
  return to.filter(({ hash }) => !known.has(hash)).reduce((sum, { size }) => sum + size, 0);
}

describe("a file in parts", () => {
  test("is the file again, whatever is in it and however it arrives", async () => {
    const content = fc.record({
      size: fc.oneof(
        fc.constantFrom(0, 1, CHUNK_BYTES_MIN - 1, CHUNK_BYTES_MIN, CHUNK_BYTES_MIN + 1),
        fc.constantFrom(CHUNK_BYTES_MAX, CHUNK_BYTES_MAX + 1, 3 * CHUNK_BYTES_MAX),
        fc.integer({ min: 0, max: 24 * MIB }),
      ),
      seed: fc.integer(),
      same: fc.option(fc.integer({ min: 0, max: 255 })),
      atOnce: fc.constantFrom(70_001, 512 * 1024, 3 * MIB, Number.POSITIVE_INFINITY),
    });
    await fc.assert(
      fc.asyncProperty(content, async ({ size, seed, same, atOnce }) => {
        const bytes = same === null ? noise(size, seed) : Buffer.alloc(size, same);
        const heard = createHash("sha256");
        const read = await readInChunks(fileOf(bytes, atOnce), buffers, (part) => {
          heard.update(part);
        });
        assert.equal(read.size, size);
        assert.equal(read.hash, sha256(bytes));
        assert.equal(heard.digest("hex"), read.hash);
        assertParts(bytes, read.chunks);
        assert.deepEqual((await readInChunks(fileOf(bytes), buffers)).chunks, read.chunks);
      }),
      { seed: SEED, numRuns: 30 },
    );
  });

  test("with one byte changed, or a few put in or taken out, has few new parts", async (t) => {
    const original = noise(64 * MIB, 7);
    const { chunks } = await readInChunks(fileOf(original), buffers);
    const edits = fc.record({
      at: fc.integer({ min: 0, max: original.length - 1000 }),
      kind: fc.constantFrom("change", "insert", "remove"),
      length: fc.integer({ min: 1, max: 1000 }),
    });
    let most = 0;
    let sum = 0;
    const runs = 20;
    await fc.assert(
      fc.asyncProperty(edits, async ({ at, kind, length }) => {
        const before = original.subarray(0, at);
        const middle = kind === "remove" ? Buffer.alloc(0) : Buffer.alloc(length, 0x2a);
        const rest = original.subarray(kind === "insert" ? at : at + length);
        const edited = Buffer.concat([before, middle, rest]);
        const now = (await readInChunks(fileOf(edited), buffers)).chunks;
        assertParts(edited, now);
        const fresh = newBytes(chunks, now);
        most = Math.max(most, fresh);
        sum += fresh;
        // Everything in front of the edit is as it was.
        let end = 0;
        for (const [index, chunk] of chunks.entries()) {
          end += chunk.size;
          if (end <= at) assert.deepEqual(now[index], chunk);
        }
        assert.ok(fresh <= 24 * MIB, `${kind} of ${length} at ${at}: ${fresh} new bytes`);
      }),
      { seed: SEED, numRuns: runs },
    );
    const mib = (bytes: number): string => (bytes / MIB).toFixed(1);
    t.diagnostic(
      `of 64 MiB, new after an edit: mean ${mib(sum / runs)} MiB, most ${mib(most)} MiB; ${chunks.length} parts`,
    );
  });
});
